"""A process is killed while it saves, 20 times at random moments: every file parses, nothing acknowledged is lost."""

import os
import subprocess
import sys

import pytest

from usassist.core.domain import Project

# One process that forks the savers, so that Python and its libraries start once. A saver draws one more pixel each
# round, saves and says so through a pipe; what it said before the kill must be on the disk.
KILLER = '''
import os, random, select, signal, sys, time
from pathlib import Path
import numpy as np
from usassist.core.domain import Annotation, Mask, Region
from usassist.core.project import journal, layout, lock, recovery, store

project = store.open_project(Path(sys.argv[1]))
chance = random.Random(7)
SHAPE, KEY = (200, 300), "scan-00000001_00000"

def state(n):
    pixels = np.zeros(SHAPE, dtype=np.bool_)
    pixels.reshape(-1)[:n] = True
    pixels[100:180, 50:250] = np.random.default_rng(n).random((80, 200)) > 0.5
    return Annotation(KEY, "ann", SHAPE, (Region("r1", "lesion", Mask.from_array(pixels)),), "draft", note=str(n))

def save_for_ever(n, pipe):
    with lock.ReaderLock(project, "ann"):
        os.write(pipe, b"ready\\n")
        while True:
            n += 1
            recovery.save_draft(project, state(n))
            os.write(pipe, b"draft %d\\n" % n)
            store.save_annotation(project, state(n))
            os.write(pipe, b"saved %d\\n" % n)
            journal.append(project, journal.JournalEvent(journal.utc_now(), "ann", KEY, "saved", prompt=str(n)))
            os.write(pipe, b"event %d\\n" % n)

def check(said):
    """Return the last saved number; fail where a file is damaged or older than what was said."""
    last = {name: max([int(line.split()[1]) for line in said if line.startswith(name)], default=0)
            for name in ("draft", "saved", "event")}
    saved = store.load_annotation(project, reader_id="ann", frame_key=KEY)
    number = int(saved.note) if saved else 0
    assert number >= last["saved"], (number, last)
    assert saved is None or saved == state(number), "a mixture of two versions"
    path = layout.draft_file(project.root, reader_id="ann", frame_key=KEY)
    draft = store.read_annotation(path, reader_id="ann", frame_key=KEY)
    drawn = int(draft.note) if draft else 0
    assert drawn >= last["draft"], (drawn, last)
    assert draft is None or draft == state(drawn)
    assert recovery.drafts(project, "ann") == ([draft] if draft is not None and draft != saved else [])
    events = journal.read(project, "ann")
    assert max([int(event.prompt) for event in events], default=0) >= last["event"]
    assert store.annotated_keys(project, "ann") == ({KEY: "draft"} if saved else {})
    with lock.ReaderLock(project, "ann"):
        left = [path.name for path in project.root.rglob(".usassist-*") if path.parent.name == "ann"]
        assert left == [], left
    return max(number, drawn)

number = 0
for _ in range(20):
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            save_for_ever(number, writing)
        finally:
            os._exit(1)
    os.close(writing)
    said = b""
    deadline = None
    while deadline is None or time.monotonic() < deadline:
        wait = 30 if deadline is None else max(0, deadline - time.monotonic())
        if select.select([reading], [], [], wait)[0]:
            part = os.read(reading, 65536)
            assert part, "the saver ended by itself"
            said += part
            if deadline is None and said.count(b"\\n") > 1:  # ready, and something was saved
                deadline = time.monotonic() + chance.uniform(0, 0.15)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    while part := os.read(reading, 65536):
        said += part
    os.close(reading)
    number = check([line for line in said.decode().split("\\n") if line and line != "ready"])
print("survived", number)
'''


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the savers are forked")
def test_a_killed_process_loses_nothing_it_said_was_saved(project: Project) -> None:
    result = subprocess.run(
        [sys.executable, "-c", KILLER, str(project.root)], capture_output=True, text=True, timeout=200, check=False
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("survived")
    assert int(result.stdout.split()[1]) > 0
