#!/bin/sh
# Build what the agent's image holds, in a folder with the sources: the RUN line of Dockerfile.agent.
# Optional packages stay: sharp's binary for this platform is one of them.
set -eu
cd "$(dirname "$0")/.."
npm ci --include=dev
node tools/build.mjs
npm prune --omit=dev
rm -rf dist/bench dist/test dist/apps/coordinator dist/apps/dashboard
node bin/melo.mjs agent --help > /dev/null
node --input-type=module -e "await import('onnxruntime-node'); await import('sharp');"
