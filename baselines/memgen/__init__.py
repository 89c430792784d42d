"""MemGen: latents woven into the way of an answer."""

from baselines.memgen.memgen import MemGen
from baselines.memgen.training import MemGenLearner

__all__ = ["MemGen", "MemGenLearner"]
