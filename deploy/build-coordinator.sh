#!/bin/sh
# Build what the coordinator's image holds, in a folder with the sources: the RUN line of Dockerfile.coordinator.
# The sources are compiled with every package, then only what the coordinator needs stays.
set -eu
cd "$(dirname "$0")/.."
npm ci --include=dev
node tools/build.mjs
# The engines are optional packages of ours and go. Those of others stay: the binary of argon2 for this platform is one.
npm pkg delete optionalDependencies
npm prune --omit=dev
rm -rf dist/bench dist/test dist/apps/site-agent
# An image whose program does not start and answer is not built.
node deploy/try-coordinator.mjs
