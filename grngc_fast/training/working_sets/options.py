"""How working sets are found."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class SetOptions:
    """Sizes, rounds and steps.

    Lorenz-96, P = 1000, F = 40: half the learning rate or two thirds of the steps in the first round miss a hundredth of the
    causes after the second.

    Attributes
    ----------
    set_size, largest : inputs of each target at first, and at most.
    units : hidden units of its network.
    partners : k of the products x_j x_k, inside of a set and as many outside.
    rounds : at most.
    first_steps, steps : of training in the first round, and in each of the others.
    learning_rate, batch_size : of Adam, with cosine decay in every round.
    """

    set_size: int = 16
    largest: int = 96
    units: int = 16
    partners: int = 6
    rounds: int = 6
    first_steps: int = 150
    steps: int = 300
    learning_rate: float = 2e-2
    batch_size: int = 64
