"""Losses that pull an image towards its own text and away from the others'; embeddings in, a scalar out.

Embeddings are normalised here. Where a batch is spread over several processes, gather it first with
`distributed.gather_with_grad`: every loss is about the whole batch it is given, whatever its size.
"""

import torch
from torch import Tensor
from torch.nn import functional as F


def similarities(image: Tensor, text: Tensor) -> Tensor:
    """Return the cosine of every image (N, D) with every text (M, D): (N, M) float32, also under autocast.

    bfloat16 has two decimals for a cosine, and a scale of 100 would make whole logits of what is lost.
    """
    with torch.autocast(image.device.type, enabled=False):
        return F.normalize(image.float(), dim=-1) @ F.normalize(text.float(), dim=-1).T


def info_nce(image: Tensor, text: Tensor, *, scale: Tensor | float, same: Tensor | None = None) -> Tensor:
    """Return the symmetric InfoNCE of N pairs, (N, D) with (N, D): row i of each belongs together (CLIP, 2021).

    `scale` multiplies the cosines: 1 / tau, or the model's own. `same` (N, N) bool, symmetric, marks pairs whose texts
    (or images) are the same: each is then as right an answer as the pair itself, where the plain loss would push equal
    captions apart. A batch of one has nothing to compare with: 0.
    """
    logits = scale * similarities(image, text)
    target = _positives(logits, same).float()
    target = target / target.sum(1, keepdim=True)
    # `same` is symmetric, so the target of a text among the images is that of its image among the texts.
    both = F.log_softmax(logits, 1) + F.log_softmax(logits.T, 1)
    return -(target * both).sum(1).mean() / 2


def dhn_nce(
    image: Tensor,
    text: Tensor,
    *,
    scale: Tensor | float = 1 / 0.6,
    beta1: float = 0.15,
    beta2: float = 0.15,
    same: Tensor | None = None,
) -> Tensor:
    """Return the decoupled hard-negative NCE of N pairs (MedCLIP-SAM, Koleilat et al. 2024): both directions' sum.

    For an image i with the scaled cosines s: -s_ii + log sum over j != i of W_ij exp(s_ij), where the weights
    W_ij = (N - 1) exp(beta1 s_ij) / sum over k != i of exp(beta1 s_ik) lean on the hard negatives; texts likewise with
    beta2. The pair itself is not in the sum (decoupled), and N is the number of pairs there are, so a short last batch
    is right too. beta 0 weighs all negatives alike. `same` (N, N) bool marks pairs that are no negatives of each other;
    a row without negatives is left out. 0 where no row has one.
    """
    logits = scale * similarities(image, text)
    negative = ~_positives(logits, same)
    return _decoupled(logits, negative, beta1) + _decoupled(logits.T, negative.T, beta2)


def _decoupled(logits: Tensor, negative: Tensor, beta: float) -> Tensor:
    """Return the mean over rows of -s_ii + log sum of weighted negatives, all in logarithms: exp(s) may overflow."""
    usable = negative.any(1)
    if not bool(usable.any()):
        return logits.sum() * 0.0
    positive = logits.diagonal()[usable]
    logits, negative = logits[usable], negative[usable]
    weights = (beta * logits).masked_fill(~negative, -torch.inf)
    count = negative.sum(1).to(logits.dtype)
    log_weights = count.log()[:, None] + weights - weights.logsumexp(1, keepdim=True)
    # A masked entry is -inf on purpose: multiplied by 0 instead it would still count as exp(0) = 1.
    spread = (log_weights + logits).logsumexp(1)
    return (spread - positive).mean()


def _positives(logits: Tensor, same: Tensor | None) -> Tensor:
    own = torch.eye(len(logits), dtype=torch.bool, device=logits.device)
    return own if same is None else own | same.to(logits.device)
