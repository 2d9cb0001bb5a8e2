"""The library behind the course's notebooks: from a problem to a score, one module a step.

Environment variables get a default before any library reads them: no usage reports are sent,
tokenizers do not warn about forks, and threads that wait for each other sleep instead of spinning.
"""

import os
import shutil

os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
if shutil.which("nvidia-smi") is None:
    # Nothing is compiled on a CPU here, yet bitsandbytes loads torch's compiler: a fifth of what
    # every process spends on loading libraries.
    os.environ.setdefault("TORCHDYNAMO_DISABLE", "1")

import logging

# peft loads bitsandbytes, which on some CPUs misses a package that only makes 4-bit inference
# faster, and says so at every start.
logging.getLogger("bitsandbytes.backends.cpu.ops").setLevel(logging.ERROR)
