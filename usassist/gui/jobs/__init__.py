"""Work off the GUI thread: lanes that run one job after the other."""

from usassist.gui.jobs.progress import Progress
from usassist.gui.jobs.runner import Job, Lane

__all__ = ["Job", "Lane", "Progress"]
