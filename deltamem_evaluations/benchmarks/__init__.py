"""One module or folder for each benchmark; ``bench=NAME`` is the file ``conf/bench/NAME.yaml``."""
