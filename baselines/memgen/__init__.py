"""MemGen: latents woven into the way of an answer."""
