/*
 * Runs inside the emulated machine as process 1. The host sends one command a line on the second serial port and gets
 * one line of JSON back for each. Actors are processes; those of one address space share it and their descriptors, and
 * nothing else, so that each can be killed alone. What an address space has outlives its actors: a keeper holds it.
 *
 * Actors make raw system calls: they share their thread-local storage.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/fs.h>
#include <linux/io_uring.h>
#include <linux/nbd.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

enum { SLOTS = 8, FILES = 8, REGISTERS = 32, PAGE = 4096, STACK = 65536, NBD_BLOCKS = 131072 };
enum { FD_COMMAND = 20, FD_RESULT = 40, FD_PIPE = 50, FD_NBD = 60, FD_FILE = 70, FD_REGISTER = 100 };
enum { SAMPLE_MS = 15, SAMPLES_S = 6, SAMPLES_LOCK = 16, SAMPLES_D = 200, SAMPLES_DISK = 3, PATIENCE_MS = 20000 };
#define STACKS ((char *)0x10000000000)
#define MOUNT "/mnt"

enum op {
	OP_MMAP, OP_MUNMAP, OP_MREMAP, OP_LOAD, OP_STORE, OP_MADVISE, OP_FTRUNCATE, OP_FALLOCATE, OP_FSYNC, OP_WRITE,
	OP_PWRITE, OP_CLOSE, OP_UNLINK, OP_OPEN, OP_FREEZE, OP_THAW, OP_DROP, OP_KILL, OP_FORK, OP_EXIT, OP_GET, OP_PUT,
	OP_SPLICE, OP_PIPEREAD, OP_DIRECT, OP_LONGTERM, OPS
};
static const char *const op_names[OPS] = {
	"mmap", "munmap", "mremap", "load", "store", "madvise", "ftruncate", "fallocate", "fsync", "write",
	"pwrite", "close", "unlink", "open", "freeze", "thaw", "drop", "kill", "fork", "exit", "get", "put",
	"splice", "piperead", "direct", "longterm",
};

struct command { long op, spin; long a[6]; };
enum kind { HELLO, KEEPER, DONE, SIGNALLED };
struct result { int slot; int kind; long value; };

struct slot {
	int pid, busy, doomed, dead, expected, forking, stable;
	unsigned long print;
	char state, where[160];
};

struct held { uint64_t cookie, from; uint32_t len; };

static struct slot slots[SLOTS];
static int keepers[SLOTS];
static char paths[FILES][64];
static aio_context_t aio;
static char page[SLOTS][PAGE] __attribute__((aligned(PAGE)));
static int nbd_socket = -1, uart, kmsg, waiting_endio;
static struct held held[64];
static int holding, disk_used, disk_rest;
static char answer[16384];
static size_t used;

/* ---- what actors use: no errno, no allocation ------------------------------------------------------------------ */

static long sc(long n, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long ret;

	__asm__ volatile("syscall" : "=a"(ret) : "a"(n), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return ret;
}
#define SC(n, a, b, c) sc(n, (long)(a), (long)(b), (long)(c), 0, 0, 0)
#define SC6(n, a, b, c, d, e, f) sc(n, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))

static void tell(int slot, int kind, long value)
{
	struct result result = { slot, kind, value };

	SC(SYS_write, FD_RESULT + 1, &result, sizeof(result));
}

/* The access fails, the actor is over, and its address space stays. */
static void on_fault(int number)
{
	char *here = __builtin_frame_address(0);

	if (here >= STACKS && here < STACKS + SLOTS * STACK)
		tell((here - STACKS) / STACK, SIGNALLED, number);
	for (;;)
		SC(SYS_pause, 0, 0, 0);
}

static void on_user(int number)
{
	(void)number;
}

static void fill(int slot, long value)
{
	for (size_t i = 0; i < PAGE / sizeof(long); i++)
		((long *)page[slot])[i] = value;
}

static long on_path(int nr, const char *path, long flags, long request)
{
	long fd = SC(SYS_open, path, flags, 0), ret = fd;

	if (fd < 0)
		return fd;
	if (nr)
		ret = SC(nr, fd, request, 0);
	SC(SYS_close, fd, 0, 0);
	return ret < 0 ? ret : 0;
}

static long drop_caches(void)
{
	long fd = SC(SYS_open, "/proc/sys/vm/drop_caches", O_WRONLY, 0);
	long ret = SC(SYS_write, fd, "1", 1);

	SC(SYS_close, fd, 0, 0);
	return ret < 0 ? ret : 0;
}

/* One request a page, each of which the server knows by its offset. An error of the first page is the result. */
static long direct(char *address, long pages, long value)
{
	for (long i = 0; i < pages; i++) {
		struct iocb cb = {
			.aio_fildes = FD_NBD, .aio_lio_opcode = IOCB_CMD_PREAD, .aio_buf = (uint64_t)(address + i * PAGE),
			.aio_nbytes = PAGE, .aio_offset = (value * 8 + i) * PAGE, .aio_data = 1 + value * 8 + i,
		};
		struct iocb *list[1] = { &cb };
		struct timespec now = { 0, 0 };
		struct io_event event;
		long ret = SC(SYS_io_submit, aio, 1, list);

		while (ret >= 0 && SC6(SYS_io_getevents, aio, 0, 1, &event, &now, 0) == 1)
			if (event.data == cb.aio_data && event.res < 0)
				ret = event.res;
		if (ret < 0)
			return i ? i : ret;
	}
	return pages;
}

/* A registered buffer is pinned for long. */
static long longterm(char *address, long length)
{
	struct io_uring_params params;
	struct iovec vec = { address, length };
	long ring, ret;

	for (size_t i = 0; i < sizeof(params); i++)
		((volatile char *)&params)[i] = 0;
	ring = SC(SYS_io_uring_setup, 1, &params, 0);
	if (ring < 0)
		return ring;
	ret = SC6(SYS_io_uring_register, ring, IORING_REGISTER_BUFFERS, &vec, 1, 0, 0);
	SC(SYS_close, ring, 0, 0);
	return ret;
}

static long give(int fd, char *address, long pages)
{
	struct iovec vec = { address, pages * PAGE };

	return SC6(SYS_vmsplice, fd, &vec, 1, SPLICE_F_NONBLOCK, 0, 0);
}

static long put(int slot, int fd)
{
	long got = 0;

	while (SC(SYS_read, fd, page[slot], PAGE) > 0)
		got++;
	return got ? 0 : -EINVAL;
}

/* MAP_SYNC does not go with MAP_FIXED_NOREPLACE: see whether the place is free, and take that flag away. */
static long map_sync(long *a)
{
	long ret;

	if (!(a[2] & MAP_SYNC))
		return 0;
	ret = SC(SYS_fcntl, a[3], F_GETFD, 0);
	if (ret < 0)
		return ret;
	ret = SC6(SYS_mmap, a[0], a[1], PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	a[2] = (a[2] & ~MAP_FIXED_NOREPLACE) | MAP_FIXED;
	return ret < 0 && ret > -4096 ? ret : 0;
}

static void keep(int space, int members);

static long run(int slot, struct command *c)
{
	long *a = c->a, ret;

	switch (c->op) {
	case OP_MMAP:
		ret = map_sync(a);
		if (ret)
			return ret;
		ret = SC6(SYS_mmap, a[0], a[1], PROT_READ | PROT_WRITE, a[2], a[3], 0);
		return ret < 0 && ret > -4096 ? ret : 0;
	case OP_MUNMAP:
		return SC(SYS_munmap, a[0], a[1], 0);
	case OP_MREMAP:
		ret = SC6(SYS_mremap, a[0], a[1], a[1], MREMAP_MAYMOVE | MREMAP_FIXED, a[2], 0);
		if (ret < 0 && ret > -4096)
			return ret;
		ret = SC6(SYS_mremap, a[2], a[1], a[1], MREMAP_MAYMOVE | MREMAP_FIXED, a[0], 0);
		return ret < 0 && ret > -4096 ? ret : 0;
	case OP_LOAD:
		return *(volatile long *)a[0];
	case OP_STORE:
		*(volatile long *)a[0] = a[1];
		return 0;
	case OP_MADVISE:
		return SC(SYS_madvise, a[0], a[1], a[2]);
	case OP_FTRUNCATE:
		return SC(SYS_ftruncate, a[0], a[1], 0);
	case OP_FALLOCATE:
		return SC6(SYS_fallocate, a[0], a[1], a[2], a[3], 0, 0);
	case OP_FSYNC:
		return SC(SYS_fsync, a[0], 0, 0);
	case OP_WRITE:
		fill(slot, a[2]);
		return SC6(SYS_pwrite64, a[0], page[slot], PAGE, a[1], 0, 0);
	case OP_PWRITE:
		return SC6(SYS_pwrite64, a[0], a[2], PAGE, a[1], 0, 0);
	case OP_CLOSE:
		return SC(SYS_close, a[0], 0, 0);
	case OP_UNLINK:
		return SC(SYS_unlink, paths[a[0]], 0, 0);
	case OP_OPEN:
		return on_path(0, paths[a[0]], O_RDWR | (a[1] ? O_TRUNC : 0), 0);
	case OP_FREEZE:
		return on_path(SYS_ioctl, MOUNT, O_RDONLY, FIFREEZE);
	case OP_THAW:
		return on_path(SYS_ioctl, MOUNT, O_RDONLY, FITHAW);
	case OP_DROP:
		return drop_caches();
	case OP_KILL:
		/* A process that has not been forked yet hears nothing. */
		return a[0] ? SC(SYS_kill, a[0], a[1], 0) : 0;
	case OP_FORK:
		ret = SC(SYS_fork, 0, 0, 0);
		if (ret == 0)
			keep(a[0], a[1]);
		return ret < 0 ? ret : 0;
	case OP_EXIT:
		return SC(SYS_exit_group, 0, 0, 0);
	case OP_GET:
		return give(FD_REGISTER + 2 * a[0] + 1, (char *)a[1], a[2]);
	case OP_PUT:
		return put(slot, FD_REGISTER + 2 * a[0]);
	case OP_SPLICE:
		return give(FD_PIPE + 1, (char *)a[0], 1);
	case OP_PIPEREAD:
		ret = SC(SYS_read, FD_PIPE, page[slot], PAGE);
		return ret < 0 ? ret : *(long *)page[slot];
	case OP_DIRECT:
		return direct((char *)a[0], a[1], a[2]);
	case OP_LONGTERM:
		return longterm((char *)a[0], a[1]);
	}
	return -ENOSYS;
}

static int actor(void *argument)
{
	int slot = (long)argument;
	struct command command;

	tell(slot, HELLO, SC(SYS_getpid, 0, 0, 0));
	for (;;)
		if (SC(SYS_read, FD_COMMAND + 2 * slot, &command, sizeof(command)) == sizeof(command)) {
			for (volatile long i = command.spin; i > 0; i--)
				;
			tell(slot, DONE, run(slot, &command));
		}
	return 0;
}

/* The rest of a process's life: start its actors, and hold what they share. */
static void keep(int space, int members)
{
	aio = 0;
	SC(SYS_io_setup, 64, &aio, 0);
	tell(space, KEEPER, SC(SYS_getpid, 0, 0, 0));
	for (long slot = 0; slot < SLOTS; slot++)
		if (members >> slot & 1)
			clone(actor, STACKS + (slot + 1) * STACK - 64, CLONE_VM | CLONE_FILES | SIGCHLD, (void *)slot);
	for (;;)
		SC(SYS_pause, 0, 0, 0);
}

/* ---- the server's answers -------------------------------------------------------------------------------------- */

static void say(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	used += vsnprintf(answer + used, sizeof(answer) - used, format, arguments);
	va_end(arguments);
	if (used >= sizeof(answer))
		used = sizeof(answer) - 1;
}

static void say_string(const char *text)
{
	say("\"");
	for (; *text; text++)
		if (*text == '"' || *text == '\\')
			say("\\%c", *text);
		else
			say((unsigned char)*text < ' ' ? " " : "%c", *text);
	say("\"");
}

static void send_answer(void)
{
	size_t done = 0;

	say("\n");
	while (done < used) {
		ssize_t written = write(uart, answer + done, used - done);

		if (written > 0)
			done += written;
	}
	used = 0;
}

static long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int read_file(const char *path, char *text, int size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), got = fd < 0 ? -1 : read(fd, text, size - 1);

	if (fd >= 0)
		close(fd);
	text[got < 0 ? 0 : got] = 0;
	return got;
}

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd >= 0) {
		if (write(fd, text, strlen(text)) < 0)
			perror(path);
		close(fd);
	}
}

static int command_of(const char *const *arguments)
{
	int status = -1, pid = fork();

	if (pid == 0) {
		int fd = open("/dev/kmsg", O_WRONLY);

		dup2(fd, 1);
		dup2(fd, 2);
		execv(arguments[0], (char *const *)arguments);
		_exit(127);
	}
	waitpid(pid, &status, 0);
	return status;
}

/* ---- the disk whose answers wait --------------------------------------------------------------------------------- */

static void reply(struct held *request)
{
	struct nbd_reply head = { .magic = htobe32(NBD_REPLY_MAGIC) };
	static long data[PAGE / sizeof(long)];

	memcpy(head.handle, &request->cookie, sizeof(head.handle));
	if (write(nbd_socket, &head, sizeof(head)) < 0)
		return;
	for (uint32_t done = 0; done < request->len; done += PAGE) {
		for (size_t i = 0; i < PAGE / sizeof(long); i++)
			data[i] = (request->from + done) / PAGE / 8;
		if (write(nbd_socket, data, PAGE) < 0)
			return;
	}
}

static int reply_oldest(void)
{
	struct held first = held[0];

	if (!holding)
		return 0;
	memmove(held, held + 1, --holding * sizeof(held[0]));
	reply(&first);
	return 1;
}

/* The oldest first; the kernel may send what one call asks for in any order. */
static void hold(struct held new)
{
	int at = holding++;

	for (; at && held[at - 1].from / PAGE / 8 == new.from / PAGE / 8 && held[at - 1].from > new.from; at--)
		held[at] = held[at - 1];
	held[at] = new;
}

static int serve_disk(void)
{
	struct nbd_request request;
	int seen = 0;

	while (recv(nbd_socket, &request, sizeof(request), MSG_DONTWAIT) == sizeof(request)) {
		struct held new = { .from = be64toh(request.from), .len = be32toh(request.len) };

		seen = 1;
		memcpy(&new.cookie, request.handle, sizeof(new.cookie));
		if (be32toh(request.type) == NBD_CMD_READ)
			hold(new);
		if (waiting_endio && reply_oldest())
			waiting_endio--;
	}
	return seen;
}

/* Whether a request is on its way here, or an answer on its way back. */
static int disk_moves(void)
{
	static char text[64];
	int requests = 0;

	if (!disk_used || read_file("/sys/block/nbd0/inflight", text, sizeof(text)) <= 0)
		return 0;
	sscanf(text, "%d", &requests);
	return requests != holding;
}

static void start_disk(void)
{
	int pair[2], fd = open("/dev/nbd0", O_RDWR | O_CLOEXEC);

	if (fd < 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		return;
	ioctl(fd, NBD_SET_BLKSIZE, (unsigned long)PAGE);
	ioctl(fd, NBD_SET_SIZE_BLOCKS, (unsigned long)NBD_BLOCKS);
	ioctl(fd, NBD_SET_SOCK, pair[1]);
	if (fork() == 0) {
		close(pair[0]);
		ioctl(fd, NBD_DO_IT);
		_exit(0);
	}
	close(pair[1]);
	nbd_socket = pair[0];
	usleep(50000);
	dup2(open("/dev/nbd0", O_RDONLY | O_DIRECT), FD_NBD);
	close(fd);
	for (int i = 0; i < 20 && holding < 1; i++) {
		serve_disk();
		usleep(2000);
	}
	while (reply_oldest())
		;
}

/* ---- what the kernel says ---------------------------------------------------------------------------------------- */

static int warnings;

static void drain_log(int report)
{
	static char line[8192];
	ssize_t got;

	while ((got = read(kmsg, line, sizeof(line) - 1)) > 0 || (got < 0 && errno == EPIPE)) {
		char *text;

		if (got <= 0)
			continue;
		line[got] = 0;
		text = strchr(line, ';');
		if (text && report && (strstr(text, "WARNING: ") || strstr(text, "BUG: ") || strstr(text, "Oops"))) {
			text[strcspn(text, "\n")] = 0;
			say(warnings++ ? "," : "");
			say_string(text + 1);
		}
	}
}

/* ---- waiting until nobody goes on any more ------------------------------------------------------------------------ */

static char state_of(int pid, unsigned long *print, char *where, int size)
{
	char path[64], text[4096], *end, state;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	if (read_file(path, text, sizeof(text)) <= 0)
		return 'X';
	end = strrchr(text, ')');
	state = end && end[1] ? end[2] : 'X';
	if (!print)
		return state;
	snprintf(path, sizeof(path), "/proc/%d/stack", pid);
	read_file(path, text, sizeof(text));
	*print = state;
	for (char *at = text; *at; at++)
		*print = *print * 31 + *at;
	*where = 0;
	for (char *at = text, *into = where; *at && into < where + size - 64;) {
		char *name = strchr(at, ']');

		if (!name)
			break;
		name += 2;
		into += snprintf(into, 48, "%s%.*s", into == where ? "" : " ", (int)strcspn(name, "+\n"), name);
		at = name + strcspn(name, "\n");
		at += *at == '\n';
	}
	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	read_file(path, text, sizeof(text));
	end = strstr(text, "voluntary_ctxt_switches:");
	if (end)
		*print = *print * 31 + strtoul(end + 24, NULL, 10);
	return state;
}

static int results;

static void take(struct result *result)
{
	struct slot *slot = &slots[result->slot];

	if (result->kind == KEEPER) {
		keepers[result->slot] = result->value;
		return;
	}
	if (result->kind == HELLO) {
		slot->pid = result->value;
		slot->expected = 0;
		return;
	}
	slot->busy--;
	if (result->kind == SIGNALLED)
		slot->dead = 1;
	if (slot->forking && result->value < 0)
		for (int i = 0; i < SLOTS; i++)
			slots[i].expected = 0;
	slot->forking = 0;
	say("%s[%d,\"%s\",%ld]", results++ ? "," : "", result->slot, result->kind == DONE ? "done" : "signal",
	    result->value);
}

static int take_all(void)
{
	struct result result;
	int seen = 0;

	while (read(FD_RESULT, &result, sizeof(result)) == sizeof(result)) {
		take(&result);
		seen = 1;
	}
	return seen;
}

static void bury(int number)
{
	struct slot *slot = &slots[number];

	if (!slot->dead)
		say("%s[%d,\"exit\",0]", results++ ? "," : "", number);
	slot->dead = 1;
	slot->busy = slot->doomed = 0;
}

/* How often an actor must look the same: uninterruptible waits for disks and timers end soon, those for locks do not. */
static int samples(struct slot *slot)
{
	if (slot->state == 'S')
		return SAMPLES_S;
	if (strstr(slot->where, "rwsem") || strstr(slot->where, "mutex") || strstr(slot->where, "wait_dax"))
		return SAMPLES_LOCK;
	return SAMPLES_D;
}

/* Whether an actor may still go on; `moved` says that something has just happened. */
static int unsettled(int number, int moved)
{
	struct slot *slot = &slots[number];
	unsigned long print;

	if (!slot->pid || slot->dead)
		return slot->expected;
	slot->state = state_of(slot->pid, &print, slot->where, sizeof(slot->where));
	if (slot->state == 'Z' || slot->state == 'X') {
		take_all();
		bury(number);
		return 1;
	}
	if (!slot->busy)
		return slot->doomed;
	if (moved || print != slot->print || (slot->state != 'S' && slot->state != 'D'))
		slot->stable = 0;
	slot->print = print;
	return slot->stable++ < samples(slot);
}

static void settle(void)
{
	long end = now_ms() + PATIENCE_MS;
	int number, restless = 1;

	say("{\"events\":[");
	results = 0;
	disk_rest = 0;
	for (number = 0; number < SLOTS; number++)
		slots[number].stable = 0;
	while (restless && now_ms() < end) {
		struct pollfd wait[2] = { { FD_RESULT, POLLIN, 0 }, { nbd_socket, POLLIN, 0 } };
		int moved = poll(wait, nbd_socket < 0 ? 1 : 2, SAMPLE_MS) > 0;

		moved |= take_all() | serve_disk();
		/* What completes a request may leave its pages to a worker. */
		disk_rest = disk_moves() ? 0 : disk_rest + 1;
		restless = disk_used && disk_rest < SAMPLES_DISK;
		for (number = 0; number < SLOTS; number++)
			restless |= unsettled(number, moved);
	}
	say("],\"busy\":[");
	results = 0;
	for (number = 0; number < SLOTS; number++)
		if (slots[number].busy) {
			say("%s[%d,\"%c\",", results++ ? "," : "", number, slots[number].state);
			say_string(slots[number].where);
			say("]");
		}
	say("],\"restless\":%d,\"idle_disk\":%d,\"warnings\":[", restless, waiting_endio);
	warnings = 0;
	drain_log(1);
	say("]}");
	send_answer();
}

/* ---- cases ------------------------------------------------------------------------------------------------------- */

static void new_pipe(int read_end, int size)
{
	int ends[2];

	if (pipe2(ends, O_NONBLOCK))
		return;
	if (size)
		fcntl(ends[1], F_SETPIPE_SZ, size);
	dup2(ends[0], read_end);
	dup2(ends[1], read_end + 1);
	close(ends[0]);
	close(ends[1]);
}

static void begin(int registers, int pipe_pages)
{
	memset(slots, 0, sizeof(slots));
	memset(keepers, 0, sizeof(keepers));
	disk_used = 0;
	for (int i = 0; i < SLOTS; i++) {
		new_pipe(FD_COMMAND + 2 * i, 0);
		/* Actors wait here for their next command. */
		fcntl(FD_COMMAND + 2 * i, F_SETFL, 0);
	}
	new_pipe(FD_RESULT, 0);
	new_pipe(FD_PIPE, pipe_pages * PAGE);
	for (int i = 0; i < REGISTERS; i++) {
		close(FD_REGISTER + 2 * i);
		close(FD_REGISTER + 2 * i + 1);
		if (i < registers)
			new_pipe(FD_REGISTER + 2 * i, 0);
	}
	write_file("/sys/kernel/debug/clear_warn_once", "1");
	drain_log(0);
	say("{\"ok\":1}");
	send_answer();
}

/* The physical pages of a mapping: of each 512 the first `parts`. */
static void say_pfns(char *address, long pages, long parts)
{
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);

	for (long i = 0; i < pages; i++) {
		uint64_t entry = 0;

		if (i % 512 >= parts)
			continue;
		if (pread(fd, &entry, sizeof(entry), ((long)address / PAGE + i) * 8) < 0)
			entry = 0;
		say("%s%llu", i ? "," : "", (unsigned long long)(entry & ((1ULL << 55) - 1)));
	}
	close(fd);
}

/* A new file; with blocks, zeroed and present in the page cache, if `full`. Nothing of it stays open or mapped. */
static void make_file(int number, long pages, int full, char *address, int parts)
{
	int fd, error = 0;

	snprintf(paths[number], sizeof(paths[number]), MOUNT "/file%d", number);
	fd = open(paths[number], O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0 || ftruncate(fd, pages * PAGE))
		error = errno;
	/* Each PMD's worth on its own, so that it is aligned. */
	for (long i = 0; full && !error && i < pages; i += 512)
		if (fallocate(fd, 0, i * PAGE, (pages - i < 512 ? pages - i : 512) * PAGE))
			error = errno;
	say("{\"error\":%d,\"pfns\":[", error);
	if (!error && full) {
		char *at = mmap(address, pages * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0);

		if (at != MAP_FAILED) {
			for (long i = 0; i < pages; i++)
				*(volatile long *)(at + i * PAGE) = 0;
			say_pfns(at, pages, parts);
			munmap(at, pages * PAGE);
		}
	}
	say("]}");
	close(fd);
	send_answer();
}

/* A process with files open and mapped, and its actors: "SPACE MEMBERS [o FILE] [m FILE ADDRESS PAGES FULL] ...". */
static void make_space(char *text)
{
	int space = strtol(text, &text, 0), members = strtol(text, &text, 0), pid;
	long end = now_ms() + PATIENCE_MS;

	pid = fork();
	if (pid == 0) {
		char what;
		int file, taken, full;
		long address, pages;

		/* Descriptors of the server's own that no actor has. */
		close(uart);
		close(kmsg);
		close(nbd_socket);
		for (; sscanf(text, " %c %d%n", &what, &file, &taken) == 2; text += taken) {
			int fd = open(paths[file], O_RDWR);

			text += taken;
			taken = 0;
			if (what == 'o') {
				dup2(fd, FD_FILE + file);
			} else if (sscanf(text, "%li %ld %d%n", &address, &pages, &full, &taken) == 3) {
				mmap((void *)address, pages * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0);
				for (long i = 0; full && i < pages; i++)
					*(volatile long *)(address + i * PAGE) = 0;
			}
			close(fd);
		}
		keep(space, members);
	}
	for (int ready = 0; !ready && now_ms() < end;) {
		ready = keepers[space] != 0;
		for (int slot = 0; slot < SLOTS; slot++)
			if (members >> slot & 1)
				ready &= slots[slot].pid != 0;
		if (!ready) {
			usleep(500);
			take_all();
			used = 0;
		}
	}
	say("{\"ok\":1}");
	send_answer();
}

/*
 * "SLOT SPIN OPERATION ARGUMENTS": the actor begins the call after so many turns of an empty loop. No slot: the disk
 * answers its oldest request, or the next one that comes.
 */
static void start_call(char *text)
{
	int slot = strtol(text, &text, 0), taken = 0;
	char name[16];
	struct command command = { .op = OPS, .spin = strtol(text, &text, 0) };

	if (slot < 0) {
		disk_used = 1;
		serve_disk();
		waiting_endio += !reply_oldest();
		return;
	}
	if (sscanf(text, "%15s%n", name, &taken) == 1)
		for (int op = 0; op < OPS; op++)
			if (!strcmp(name, op_names[op]))
				command.op = op;
	text += taken;
	for (int i = 0; i < 6; i++)
		command.a[i] = strtol(text, &text, 0);
	if (command.op == OP_KILL) {
		int victim = command.a[0];

		command.a[0] = slots[victim].pid;
		if (command.a[1] == SIGKILL)
			slots[victim].doomed = 1;
	}
	disk_used |= command.op == OP_DIRECT;
	if (command.op == OP_FORK) {
		slots[slot].forking = 1;
		for (int i = 0; i < SLOTS; i++)
			slots[i].expected = command.a[1] >> i & 1;
	}
	if (write(FD_COMMAND + 2 * slot + 1, &command, sizeof(command)) > 0)
		slots[slot].busy++;
}

/* Take the keeper away, so that the last actor's exit is the end of the process. */
static void abandon(int space)
{
	long end = now_ms() + 2000;
	char state;

	kill(keepers[space], SIGKILL);
	do {
		usleep(500);
		waitpid(keepers[space], NULL, WNOHANG);
		state = state_of(keepers[space], NULL, NULL, 0);
	} while (state != 'Z' && state != 'X' && now_ms() < end);
	say("{\"ok\":1}");
	send_answer();
}

static int alive(void)
{
	int count = 0;
	char state;

	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
	for (int i = 0; i < 2 * SLOTS; i++) {
		int pid = i < SLOTS ? slots[i].pid : keepers[i - SLOTS];

		if (!pid)
			continue;
		state = state_of(pid, NULL, NULL, 0);
		count += state != 'Z' && state != 'X';
	}
	return count;
}

static int thaw(void)
{
	int fd = open(MOUNT, O_RDONLY | O_CLOEXEC), ret;

	ret = ioctl(fd, FITHAW, 0);
	close(fd);
	return ret;
}

/* Let go of everything; an actor that stays alive makes the machine useless for further cases. */
static void finish(void)
{
	long end = now_ms() + 3000;
	int left, pid;

	thaw();
	waiting_endio = 0;
	for (int i = 0; i < 2 * SLOTS; i++) {
		int pid = i < SLOTS ? slots[i].pid : keepers[i - SLOTS];

		if (pid)
			kill(pid, SIGKILL);
	}
	for (int i = 0; i < REGISTERS; i++) {
		close(FD_REGISTER + 2 * i);
		close(FD_REGISTER + 2 * i + 1);
	}
	close(FD_PIPE);
	close(FD_PIPE + 1);
	do {
		serve_disk();
		while (reply_oldest())
			;
		left = alive();
		if (left)
			usleep(1000);
	} while (left && now_ms() < end);
	pid = left ? 0 : fork();
	if (pid == 0 && !left) {
		for (int i = 0; i < FILES; i++)
			unlink(paths[i]);
		_exit(0);
	}
	while (pid && waitpid(pid, NULL, WNOHANG) == 0 && !left) {
		left = now_ms() > end;
		usleep(500);
	}
	say("{\"left\":%d,\"log\":[", left);
	warnings = 0;
	drain_log(1);
	say("]}");
	send_answer();
}

static void make_filesystem(const char *type)
{
	int ext4 = !strcmp(type, "ext4"), status;
	const char *device = ext4 ? "/dev/pmem0" : "/dev/pmem1";
	const char *const for_ext4[] = {
		"/bin/mkfs.ext4", "-F", "-q", "-O", "has_journal", "-b", "4096", "-E",
		"stride=512,stripe_width=512,lazy_itable_init=0,lazy_journal_init=0", device, NULL,
	};
	const char *const for_xfs[] = {
		"/bin/mkfs.xfs", "-f", "-q", "-K", "-m", "reflink=0,rmapbt=0", "-d", "agcount=2,su=2m,sw=1", "-l", "size=64m",
		device, NULL,
	};

	for (int i = 0; i < 200 && umount(MOUNT) && errno == EBUSY; i++)
		usleep(5000);
	status = command_of(ext4 ? for_ext4 : for_xfs);
	if (!status)
		status = mount(device, MOUNT, type, 0, "dax=always") ? errno : 0;
	say("{\"error\":%d}", status);
	send_answer();
}

/* ---- start ------------------------------------------------------------------------------------------------------- */

static void load_modules(void)
{
	char name[256];
	FILE *order = fopen("/mods/order", "re");

	while (order && fgets(name, sizeof(name), order)) {
		char path[300], *options;
		int fd;

		name[strcspn(name, "\n")] = 0;
		options = strchr(name, ' ');
		if (options)
			*options++ = 0;
		snprintf(path, sizeof(path), "/mods/%s", name);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (syscall(SYS_finit_module, fd, options ? options : "", 0) && errno != EEXIST)
			fprintf(stderr, "%s: %s\n", name, strerror(errno));
		close(fd);
	}
	if (order)
		fclose(order);
}

static void set_up(void)
{
	struct rlimit none = { 0, 0 };
	struct sigaction fault = { .sa_handler = on_fault }, user = { .sa_handler = on_user };
	struct termios raw;

	mount("proc", "/proc", "proc", 0, NULL);
	mount("sysfs", "/sys", "sysfs", 0, NULL);
	mount("dev", "/dev", "devtmpfs", 0, NULL);
	mount("debugfs", "/sys/kernel/debug", "debugfs", 0, NULL);
	setrlimit(RLIMIT_CORE, &none);
	sigaction(SIGBUS, &fault, NULL);
	sigaction(SIGSEGV, &fault, NULL);
	sigaction(SIGUSR1, &user, NULL);
	signal(SIGPIPE, SIG_IGN);
	mmap(STACKS, SLOTS * STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	load_modules();
	kmsg = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	uart = open("/dev/ttyS1", O_RDWR | O_NOCTTY | O_CLOEXEC);
	tcgetattr(uart, &raw);
	cfmakeraw(&raw);
	tcsetattr(uart, TCSANOW, &raw);
	start_disk();
	say("{\"ready\":1,\"disk\":%d}", nbd_socket >= 0);
	send_answer();
}

static void obey(char *line)
{
	char *rest = line + strcspn(line, " ");
	long a = 0, b = 0, c = 0, d = 0, e = 0;

	if (*rest)
		*rest++ = 0;
	sscanf(rest, "%li %li %li %li %li", &a, &b, &c, &d, &e);
	if (!strcmp(line, "mkfs")) {
		make_filesystem(rest);
	} else if (!strcmp(line, "begin")) {
		begin(a, b);
	} else if (!strcmp(line, "file")) {
		make_file(a, b, c, (char *)d, e);
	} else if (!strcmp(line, "space")) {
		make_space(rest);
	} else if (!strcmp(line, "call")) {
		for (char *next; rest; rest = next) {
			next = strchr(rest, ';');
			if (next)
				*next++ = 0;
			start_call(rest);
		}
		settle();
	} else if (!strcmp(line, "abandon")) {
		abandon(a);
	} else if (!strcmp(line, "finish")) {
		finish();
	} else if (!strcmp(line, "poweroff")) {
		reboot(RB_POWER_OFF);
	} else {
		say("{\"unknown\":1}");
		send_answer();
	}
}

int main(void)
{
	static char line[4096];
	size_t length = 0;

	set_up();
	for (;;) {
		char *end;
		ssize_t got = read(uart, line + length, sizeof(line) - 1 - length);

		if (got <= 0)
			continue;
		length += got;
		line[length] = 0;
		while ((end = strchr(line, '\n'))) {
			*end = 0;
			obey(line);
			length -= end + 1 - line;
			memmove(line, end + 1, length + 1);
		}
	}
}
