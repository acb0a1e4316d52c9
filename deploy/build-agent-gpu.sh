#!/bin/sh
# Build the agent with TensorFlow.js for NVIDIA GPUs: the RUN line of Dockerfile.agent's stage build-gpu.
# The native addon is compiled against the TensorFlow of PyPI's wheel before the packages that compile it are removed.
set -eu
cd "$(dirname "$0")/.."
apt-get update -qq
apt-get install -y -qq --no-install-recommends python3-pip
npm ci --include=dev
node tools/build.mjs
node tools/tfjs-native.mjs --gpu
npm prune --omit=dev
rm -rf dist/bench dist/test dist/apps/coordinator dist/apps/dashboard .cache
test -e node_modules/@tensorflow/tfjs-node-gpu/lib/napi-v8/tfjs_binding.node
node bin/melo.mjs agent --help > /dev/null
