"""Many small networks side by side, trained in closed form: a linear path and SiLU units of each one's own inputs."""

from .networks import Networks
from .reference import forecast_and_jacobian, loss
from .step import TileTrainer
from .training import train

__all__ = ["Networks", "TileTrainer", "forecast_and_jacobian", "loss", "train"]
