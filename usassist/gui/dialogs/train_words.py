"""What the pages of a training say: what is being done, and what the numbers of its end are worth."""

from usassist.core import log
from usassist.core.data.accepted import FEW_TO_VALIDATE
from usassist.gui.jobs.progress import Progress
from usassist.gui.jobs.training import Plan, Training, Verdict

_MEASURED = (
    "counts every pixel above 50 %, in images as small as the model sees them; the bars are as the window proposes."
)
RINGED = (
    "The ring is the epoch that is kept: chosen by outlines and presence together, it need not be the highest.\n"
    f"The curve {_MEASURED}"
)
EPOCH = log.EPOCH.capitalize()


def steps_of(training: Training, plan: Plan) -> Progress:
    """Return what a running training does now, and how much of it is done; a total of 0 where that is not known."""
    told, done = training.progress, training.epochs[-1].number if training.epochs else 0
    is_epoch = told is not None and told.text.startswith(log.EPOCH)
    busy = ""
    if training.stopped:
        busy = "Stopping; what was kept so far is put away…"
    elif training.stage == "comparing":
        busy = f"Measuring {'the new model' if training.new is None else plan.name_in_use} on the validation frames…"
    elif told is None and not done:
        busy = "Starting the training program…"
    elif told is not None and not is_epoch and told.done < told.total:
        return Progress(told.done, told.total, f"{told.text.capitalize()}: {told.done} of {told.total}")
    elif not is_epoch and not done:
        has_read = told is not None and told.text == log.READING_IMAGES
        busy = "Beginning the first epoch, which takes longest…" if has_read else "Preparing the model…"
    elif done >= plan.epochs:
        busy = "Choosing thresholds on the validation frames…"
    return Progress(0, 0, busy) if busy else Progress(done, plan.epochs, f"{EPOCH} {done + 1} of {plan.epochs}")


def duration(seconds: float) -> str:
    """Return a time that is left, as coarse as it is known.

    >>> duration(41), duration(200), duration(5000)
    ('under a minute', 'about 3 min', 'about 1 h 23 min')
    """
    minutes = round(seconds / 60)
    if seconds < 60:
        return "under a minute"
    return f"about {minutes} min" if minutes < 60 else f"about {minutes // 60} h {minutes % 60} min"


def comparison(training: Training) -> str:
    """Return which model does better, or why nobody can say."""
    new, used = training.new, training.used
    if new is None or used is None:
        return "" if training.plan is None or training.plan.validates else "There were no frames to validate on."
    trouble = new.problem or used.problem
    if trouble:
        which = "new model" if new.problem else "model in use"
        return f"The {which} has no number: {trouble}"
    if not training.is_fair:
        return "The accepted frames changed while the models were measured, so the two numbers cannot be compared."
    if new.dice is None or used.dice is None:
        return "None of the validation frames shows it, so there is no Dice."
    words = {True: "better than", False: "worse than"}
    gap = new.dice - used.dice
    return (
        "Both models do equally well." if abs(gap) < 0.005 else f"The new model does {words[gap > 0]} the one in use."
    )


def honesty(training: Training, plan: Plan) -> str:
    """Return on what the numbers stand, and why the curve has others."""
    new, kept = training.new, training.kept
    said = []
    if new is not None and not new.problem:
        said.append(_measured_on(new, plan, is_whole=not training.left_out))
        which = f"epoch {kept.number}" if kept is not None else "the best epoch"
        is_last = kept is not None and kept.number == training.epochs[-1].number
        how = ", the last" if is_last else ""
        if plan.chooses:
            how = ", chosen by the same frames, which flatters it a little"
        said.append(f"The new model is that of {which}{how}.")
        if kept is not None and kept.dice is not None and new.dice is not None and abs(kept.dice - new.dice) >= 0.005:
            said.append(f"The curve's {kept.dice:.3f} {_MEASURED}")
    if training.left_out:
        left = "1 frame" if training.left_out == 1 else f"{training.left_out} frames"
        said.append(f"{left} could not be read and took no part.")
    return " ".join(said)


def _measured_on(new: Verdict, plan: Plan, *, is_whole: bool) -> str:
    """Return on how many frames the Dice stands, and why these are others than the first page counted."""
    every = new.showing + new.empty
    frames = "1 validation frame" if every == 1 else f"{every} validation frames"
    said = f"Measured on {frames}"
    if new.empty:
        decide = "the 1 that shows it decides" if new.showing == 1 else f"the {new.showing} that show it decide"
        said += f": {decide} the Dice, {new.empty} {'shows' if new.empty == 1 else 'show'} nothing"
    if is_whole and every != plan.validates:
        said += f" ({plan.validates} were counted before frames that look the same were kept on one side)"
    return f"{said}."


def few(training: Training) -> str:
    """Return a warning where too few frames decide, "" else."""
    new = training.new
    if new is None or new.problem or new.showing >= FEW_TO_VALIDATE:
        return ""
    count = "Only 1 frame decides" if new.showing == 1 else f"Only {new.showing} frames decide"
    return f"{count} here: the difference may be chance. Try the new model before you trust it."
