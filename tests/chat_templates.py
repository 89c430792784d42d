"""Chat templates with the habits that real ones have, in our own words."""

from __future__ import annotations

CHATML = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
DEFAULT_SYSTEM = (
    "{% if messages[0]['role'] != 'system' %}"
    "<|im_start|>system\nBe brief. Today is a day.<|im_end|>\n{% endif %}" + CHATML
)
DROPS_THINKING = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n"
    "{% if m['role'] == 'assistant' and loop.last %}<think>\n\n</think>\n\n{% endif %}"
    "{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n<think>\n\n</think>\n\n{% endif %}"
)
ALTERNATES = (
    "{% for m in messages %}"
    "{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('roles must alternate') }}{% endif %}"
    "{% if m['role'] == 'user' %}[INST] {{ m['content'] | trim }} [/INST]"
    "{% else %} {{ m['content'] | trim }}<|im_end|>{% endif %}{% endfor %}"
)
TRIMS = CHATML.replace("m['content']", "m['content'] | trim")
TRIMS_THE_END = CHATML.replace("m['content']", "m['content'].rstrip()")
SPEAKERS = (
    "{% for m in messages %}{{ m['role'] | capitalize }}: {{ m['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}Assistant:{% endif %}"
)
"""Plain words, and nothing that ends a turn."""
NO_SYSTEM = (
    "{% if messages[0]['role'] == 'system' %}"
    "{{ raise_exception('System role not supported') }}{% endif %}" + TRIMS
)
"""Has no place for instructions."""
DROPS_SYSTEM = (
    "{% for m in messages if m['role'] != 'system' %}<|im_start|>{{ m['role'] }}\n"
    "{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
REWRITES = "{% for m in messages %}{{ m['content'] | upper }}<|im_end|>{% endfor %}"

DATED = (
    "{% macro head() %}Today: {{ strftime_now('%d %B %Y') }}\n"
    "Thinking: {{ 'on' if enable_thinking else 'off' }}\n{% endmacro %}"
    "<|im_start|>system\n{{ head() }}{% if messages[0]['role'] == 'system' %}"
    "{{ messages[0]['content'] }}{% endif %}<|im_end|>\n"
    "{% for m in messages if m['role'] != 'system' %}"
    "<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n"
    "{% if not enable_thinking %}<think>\n\n</think>\n\n{% endif %}{% endif %}"
)
"""Says what day it is, in a system block of its own."""

TEMPLATES = {
    "chatml": CHATML,
    "default_system": DEFAULT_SYSTEM,
    "drops_thinking": DROPS_THINKING,
    "alternates": ALTERNATES,
    "dated": DATED,
    "trims": TRIMS,
    "trims_the_end": TRIMS_THE_END,
    "speakers": SPEAKERS,
    "no_system": NO_SYSTEM,
    "drops_system": DROPS_SYSTEM,
}
