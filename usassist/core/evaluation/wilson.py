"""How sure a share is."""

import math

from usassist.core.errors import UsassistError

_Z95 = 1.959963984540054


def wilson_ci95(hits: int, n: int) -> tuple[float, float]:
    """Return the 95 % score interval of a share of `n` independent cases (Wilson 1927), within 0 to 1.

    Unlike a bootstrap it does not collapse to a point where all cases or none are hits. Raises UsassistError for no
    case and for more hits than cases.

    >>> tuple(round(bound, 3) for bound in wilson_ci95(14, 14))
    (0.785, 1.0)
    """
    if n < 1 or not 0 <= hits <= n:
        raise UsassistError(f"A share needs at least one case and at most as many hits; found {hits} of {n}.")
    share, z2 = hits / n, _Z95**2
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    reach = _Z95 * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    return max(0.0, centre - reach), min(1.0, centre + reach)
