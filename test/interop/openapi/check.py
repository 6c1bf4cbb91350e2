"""Whether the document of a service is valid OpenAPI 3.1, and whether the service does what it says: check.py URL KEY SEED CASES.

What Schemathesis finds is on stderr.
"""

import json
import os
import sys
import tempfile
import urllib.request
from pathlib import Path

import schemathesis.cli
from openapi_spec_validator import OpenAPIV31SpecValidator

here = Path(__file__).parent
url, key, seed, cases = sys.argv[1:]

request = urllib.request.Request(f"{url}/openapi.json", headers={"x-api-key": key})
with urllib.request.urlopen(request) as answer:
    OpenAPIV31SpecValidator(json.load(answer)).validate()

os.dup2(2, 1)
os.environ["SCHEMATHESIS_HOOKS"] = str(here / "hooks.py")
config = ["--config-file", str(here / "schemathesis.toml")]
phases = ["--phases", "fuzzing,stateful", "--seed", seed, "-n", cases, "--generation-database", "none"]
options = ["--no-color", "--warnings", "off", "--continue-on-failure", "-H", f"x-api-key: {key}"]
with tempfile.TemporaryDirectory() as folder:
    # It leaves files behind where it runs.
    os.chdir(folder)
    schemathesis.cli.schemathesis([*config, "run", f"{url}/openapi.json", *phases, *options])
