"""What an actor of a generated program does, one role a file. Tasks are named after their role."""

from __future__ import annotations

from collections.abc import Callable

from daxfuzz.program.case import Call
from daxfuzz.program.generator.draft import Draft
from daxfuzz.program.generator.roles.changer import changer
from daxfuzz.program.generator.roles.cloner import cloner
from daxfuzz.program.generator.roles.copier import copier, forker
from daxfuzz.program.generator.roles.dropper import dropper
from daxfuzz.program.generator.roles.evictor import evictor
from daxfuzz.program.generator.roles.family import parent, thread
from daxfuzz.program.generator.roles.freezer import freezer
from daxfuzz.program.generator.roles.handover import giver, keeper, taker
from daxfuzz.program.generator.roles.hoarder import hoarder, retainer
from daxfuzz.program.generator.roles.injector import injector
from daxfuzz.program.generator.roles.leaser import leaser, worker
from daxfuzz.program.generator.roles.leaver import leaver, stranger
from daxfuzz.program.generator.roles.mapper import mapper
from daxfuzz.program.generator.roles.mover import mover
from daxfuzz.program.generator.roles.opener import opener
from daxfuzz.program.generator.roles.pinner import pinner
from daxfuzz.program.generator.roles.reclaimer import reclaimer
from daxfuzz.program.generator.roles.refaulter import refaulter, unlinker
from daxfuzz.program.generator.roles.remapper import reader, remapper, saver, splitter, toucher
from daxfuzz.program.generator.roles.scribe import scribe
from daxfuzz.program.generator.roles.sender import sender
from daxfuzz.program.generator.roles.sharer import owner, sharer
from daxfuzz.program.generator.roles.signaller import signaller
from daxfuzz.program.generator.roles.snapshot import archivist, editor, restorer
from daxfuzz.program.generator.roles.splicer import device, splicer
from daxfuzz.program.generator.roles.syncer import flusher, syncer
from daxfuzz.program.generator.roles.truncator import emptier, shifter, truncator
from daxfuzz.program.generator.roles.unbinder import unbinder
from daxfuzz.program.generator.roles.visitor import looker, visitor
from daxfuzz.program.generator.roles.writer import writer

ROLES: dict[str, Callable[[Draft], tuple[Call, ...]]] = {
    role.__name__: role
    for role in (
        pinner,
        mapper,
        truncator,
        syncer,
        writer,
        evictor,
        freezer,
        dropper,
        copier,
        forker,
        splicer,
        device,
        unbinder,
        injector,
        cloner,
        leaser,
        worker,
        reclaimer,
        opener,
        hoarder,
        retainer,
        signaller,
        visitor,
        looker,
        parent,
        thread,
        leaver,
        stranger,
        remapper,
        splitter,
        toucher,
        reader,
        changer,
        saver,
        keeper,
        giver,
        taker,
        scribe,
        mover,
        flusher,
        emptier,
        archivist,
        editor,
        restorer,
        refaulter,
        unlinker,
        owner,
        sharer,
        sender,
        shifter,
    )
}
"""By name."""
