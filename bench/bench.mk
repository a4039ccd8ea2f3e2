# make bench           server CPU per transaction, in turn with OpenSSL's mock server
# make bench-all       the other promises too: latency, throughput, start, memory, full stores, idle connections
# make bench-profile   where the CPU goes, by cProfile
# make bench-memory    what transactions leave in memory, by tracemalloc
# Options of `python3 -m bench` in BENCH, such as BENCH="--runs 5 --json figures.json". The load generator
# needs a C compiler and libcrypto's headers (libssl-dev).

BENCH :=

.PHONY: bench bench-all bench-profile bench-memory cmpload

cmpload:
	@$(MAKE) --no-print-directory -C bench

bench: $(VENV)/.runs cmpload
	@$(BIN)/python -m bench yardstick $(BENCH)

bench-all: $(VENV)/.runs cmpload
	@$(BIN)/python -m bench yardstick latency workers tail start filled memory idle $(BENCH)

bench-profile: $(VENV)/.runs cmpload
	@$(BIN)/python -m bench profile $(BENCH)

bench-memory: $(VENV)/.runs cmpload
	@$(BIN)/python -m bench allocations $(BENCH)
