"""MemGen: latents woven into the way of an answer."""

from deltamem_baselines.memgen.memgen import MemGen
from deltamem_baselines.memgen.training import MemGenLearner

__all__ = ["MemGen", "MemGenLearner"]
