"""A foreign program for the tests: xllamacpp's server, started as anybody's `llama-server -m MODEL --port PORT`.

It knows nothing of Shortlist.
"""

import argparse
import os
import signal
import sys
import threading

import xllamacpp


def parameters(args: argparse.Namespace) -> xllamacpp.CommonParams:
    p = xllamacpp.CommonParams()
    p.model.path = args.model
    p.model_alias = {args.alias}
    p.hostnames = ["127.0.0.1"]
    p.port = args.port
    p.n_ctx = args.context * args.parallel
    p.n_parallel = args.parallel
    p.ctx_shift = False
    p.cpuparams.n_threads = args.threads
    p.n_gpu_layers = 0
    p.cache_ram_mib = 0
    p.warmup = True
    p.offline = True
    p.ui = False
    p.endpoint_metrics = True
    p.cache_prompt = False
    p.cache_idle_slots = False
    p.verbosity = 2
    if os.environ.get("FOREIGN_KEY"):
        p.api_keys = [os.environ["FOREIGN_KEY"]]
    return p


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("-m", dest="model", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--alias", default="the-foreign-one")
    parser.add_argument("--context", type=int, default=1024)
    parser.add_argument("--parallel", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    server = xllamacpp.Server(parameters(args))
    sys.stdout.write(f"the foreign server listens on {server.listening_address}\n")
    sys.stdout.flush()
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Event().wait()


if __name__ == "__main__":
    main()
