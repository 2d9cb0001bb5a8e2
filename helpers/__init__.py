"""The library behind the course's notebooks: from a problem to a score, one module a step.

Two environment variables get a default before any library reads them: no usage reports are
sent, and tokenizers do not warn about forks.
"""

import os

os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import logging

# peft loads bitsandbytes, which on some CPUs misses a package that only makes 4-bit inference
# faster, and says so at every start.
logging.getLogger("bitsandbytes.backends.cpu.ops").setLevel(logging.ERROR)
