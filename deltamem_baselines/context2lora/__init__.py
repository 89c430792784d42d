"""Context2LoRA: low-rank adapters as the memory, trained once or for each history."""

from deltamem_baselines.context2lora.context2lora import Context2Lora, Context2LoraLearner
from deltamem_baselines.context2lora.per_context import Context2LoraPerContext
from deltamem_baselines.context2lora.synthesis import Examples
from deltamem_baselines.context2lora.write_time import WriteTimeTraining

__all__ = [
    "Context2Lora",
    "Context2LoraLearner",
    "Context2LoraPerContext",
    "Examples",
    "WriteTimeTraining",
]
