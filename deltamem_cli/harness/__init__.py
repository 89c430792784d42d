"""A door for EleutherAI's lm-eval: any of its tasks, with the memory on.

    deltamem-lm-eval --model deltamem --model_args model=tiny,writer=msw,write=prompt --tasks TASK

is ``lm_eval`` itself, after one more model was put into its registry; all its other options hold.
(``lm_eval`` looks for models nowhere else, so that its own command cannot know ours.) In Python:
``lm_eval.simple_evaluate(model=DeltaMemLM(model="tiny", write="history"), ...)``. What stands in
``--model_args`` are the words of ``deltamem eval`` (``model``, ``writer``, ``adapter``,
``runtime.dtype``, ``model.id``, ...) and ``write``. Each request begins with an empty state.

``write=prompt``: every token that the model reads writes, those of the answer or of the
continuation included, and all of it stays in view. This is the paper's protocol, the same as
``deltamem eval ... bench.protocol=paper``. To a writer by segment the prompt is one segment, and so
is each later token; a text that has no prompt (``loglikelihood_rolling``) is none, and is refused.

``write=history``: what comes before the last question is written and dropped from view: earlier
turns and few-shot examples, and, with ``question_after=TEXT``, all of the last user turn up to the
last place of that text. The prompt that is left holds the instructions and the question, and
neither it nor the answer writes. This is ``deltamem eval ... context=none``. Turns are known by
``--apply_chat_template``; a prompt without turns is cut by ``question_after`` alone. Of a text that
is longer than the window (``loglikelihood_rolling``), the windows before the one that is weighed
are its history.
"""
