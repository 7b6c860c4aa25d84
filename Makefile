# Two commands do everything: `make demo` and `make test`. Both install what they need, and share their caches.
SHELL := /bin/sh
.DEFAULT_GOAL := help
FARWEAVE := ./bin/farweave

.PHONY: help demo demo-down test unit lint format bench chaos chaos-down test-living clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

demo: node_modules/.ready ## Three hosts in three data centers, and a NodeBB cluster rolled out onto them
	@$(FARWEAVE) demo up

demo-down: node_modules/.ready ## Take the demo away again; only caches stay
	@$(FARWEAVE) demo down

test: node_modules/.ready ## Run all tests, the rollout on lab hosts included
	@node_modules/.bin/node test/run.ts

unit: node_modules/.ready ## Run only what takes milliseconds; properties are tried a tenth as often
	@FARWEAVE_RUNS=$${FARWEAVE_RUNS:-0.1} PATH="$(CURDIR)/node_modules/.bin:$$PATH" vitest run --project unit

lint: node_modules/.ready ## Check style, types and dead code
	@PATH="$(CURDIR)/node_modules/.bin:$$PATH" sh -c 'npm run --silent typecheck && npm run --silent lint'

format: node_modules/.ready ## Format the code
	@PATH="$(CURDIR)/node_modules/.bin:$$PATH" npm run --silent format

bench: node_modules/.ready ## What rollouts cost, next to others: PART=a,d for some parts, N=10 for other sizes, RIVALS=no, DOC=1
	@node_modules/.bin/node test/bench/main.ts

chaos: node_modules/.ready ## Do all sorts of harm to rollouts on lab hosts: ROW=name or ROWS=a,b for some, FRESH=1, DOC=1
	@node_modules/.bin/node test/chaos/main.ts

chaos-down: node_modules/.ready ## Take away the lab that chaos has left for a look
	@DOWN=1 node_modules/.bin/node test/chaos/main.ts

test-living: node_modules/.ready ## The life of a cluster on lab hosts: add, replace, change, repair, remove, destroy, under load
	@node_modules/.bin/node test/living/main.ts

clean: ## Remove dependencies and state of this checkout; caches of others stay
	rm -rf node_modules .farweave

# Dependencies, and the pinned Node. Install scripts run only for the packages that package.json allows.
node_modules/.ready: package-lock.json scripts/bootstrap.sh
	@sh scripts/bootstrap.sh
	@touch $@
