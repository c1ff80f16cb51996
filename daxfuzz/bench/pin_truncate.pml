/*
 * Pins against truncate in miniature: pin_truncate.py for SPIN. Every statement is one point there, or several things
 * that one point does, which are a d_step then.
 *
 * Give PINNERS, GETS, PINS, TRUNCATORS, BIAS, RECHECK and REPAIRED (see PinTruncate) with spin -D.
 *
 * States are to be counted, so nothing may add or drop any: generate with -o1 -o2 -o3 (or locals that are dead or only
 * written, and states between local statements, go), compile with -DNOREDUCE, and note that no process ends, since its
 * death would be a step. Locals keep their values until the call that they belong to is over, or the turn of its loop.
 */

byte count = 1;                 /* references to the page, its own among them */
bool mapped = true;
bool freed;
byte inode_lock;                /* who holds it: its number + 1 */
byte ptl;
byte queue[TRUNCATORS];         /* who waits, from the head: its number + 1 */
byte queued;
bool dozing[TRUNCATORS];        /* its task state is not RUNNING */
bool asleep[TRUNCATORS];        /* and it has given up the processor */

#if REPAIRED
#define WAKES(left)     (left + amount >= BIAS && left < BIAS)
#else
#define WAKES(left)     (amount == BIAS && left < BIAS)
#endif

#define ME              (_pid + 1)
#define NUMBER          (_pid - PINNERS)

inline end_call()
{
        amount = 0;
        left = 0
}

inline wake_all()
{
        do
        :: queued > 0 ->
                queued--;
                dozing[queue[queued] - 1 - PINNERS] = false;
                asleep[queue[queued] - 1 - PINNERS] = false;
                queue[queued] = 0
        :: else -> break
        od
}

inline enqueue()
{
        for (i : 0 .. queued - 1) {
                queue[queued - i] = queue[queued - i - 1]
        }
        queue[0] = ME;
        queued++;
        i = 0
}

/* Who was woken is off the queue. Else it is at the head: it has held the inode's lock since it queued. */
inline dequeue()
{
        if
        :: queue[0] == ME ->
                queued--;
                for (i : 0 .. queued - 1) {
                        queue[i] = queue[i + 1]
                }
                queue[queued] = 0;
                i = 0
        :: else
        fi
}

inline put()
{
        if
        :: d_step { WAKES(count - amount) -> count = count - amount; left = count };
                if
                :: queued > 0;
                        d_step { wake_all(); end_call() }
                :: d_step { queued == 0 -> end_call() }
                fi
        :: d_step { !WAKES(count - amount) -> count = count - amount; end_call() }
        fi
}

inline dma()
{
        atomic { assert(!freed); pins++; end_call() }
}

active [PINNERS] proctype pinner()
{
        byte call, gets, pins;  /* how many calls that take a reference it has made, and what it holds */
        byte amount, left;      /* of this call */

        do
        :: d_step { call < GETS -> call++; amount = 1 };
                d_step { ptl == 0 -> ptl = ME };
                if
                :: mapped;
                        count = count + amount;
                        d_step { ptl = 0; gets++; end_call() }
                :: !mapped;
                        d_step { ptl = 0; end_call() }
                fi
        :: d_step { call >= GETS && call < GETS + PINS -> call++; amount = BIAS };
                if
                :: mapped;
                        count = count + amount;
#if RECHECK
                        if
                        :: mapped;
                                dma()
                        :: !mapped;
                                put()
                        fi
#else
                        dma()
#endif
                :: d_step { !mapped -> end_call() }
                fi
        :: d_step { call == GETS + PINS && gets > 0 -> gets--; amount = 1 };
                put()
        :: d_step { call == GETS + PINS && gets == 0 && pins > 0 -> pins--; amount = BIAS };
                put()
        :: call == GETS + PINS && gets == 0 && pins == 0 -> break
        od;
end:    false
}

active [TRUNCATORS] proctype truncator()
{
        int i;

        d_step { inode_lock == 0 -> inode_lock = ME };
        do
        :: d_step { ptl == 0 -> ptl = ME };
                mapped = false;
                ptl = 0;
                if
                :: count < BIAS;
                        break
                :: count >= BIAS;
                        do
                        :: d_step { enqueue(); dozing[NUMBER] = true };
                                if
                                :: count < BIAS;
                                        break
                                :: count >= BIAS;
                                        d_step { inode_lock = 0; asleep[NUMBER] = dozing[NUMBER] };
                                        d_step { !asleep[NUMBER] -> dozing[NUMBER] = false };
                                        d_step { inode_lock == 0 -> inode_lock = ME }
                                fi
                        od;
                        atomic { dequeue(); dozing[NUMBER] = false }
                fi
        od;
        freed = true;
        inode_lock = 0;
end:    false
}
