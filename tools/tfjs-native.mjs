/**
 * `npm run tfjs:native`: build the native addon of TensorFlow.js against the TensorFlow inside PyPI's wheel.
 *
 * tfjs-node fetches a TensorFlow 2.9.1 of its own at installation, from a host that many networks block and too old for
 * current GPUs. The wheel holds the same C library, newer. `--gpu` builds tfjs-node-gpu against the wheel with CUDA;
 * `--nodedir DIR` names the folder that has include/node; `--force` builds in any case. What is built lies in
 * node_modules, so `npm ci` removes it: run this again afterwards, the wheel stays in .cache/.
 */
import { createHash } from 'node:crypto';
import {
  createReadStream,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { parseArgs } from 'node:util';
import { ensureInstalled } from './ensure.mjs';
import {
  packageCommand,
  repositoryFolder,
  runMain,
  runOrFail,
  runProgram,
  say,
  timed,
  ToolError,
} from './support/process.mjs';

const tensorflowVersion = '2.18.0';
const napiVersion = 8; // the highest that tfjs-node 4.22 builds for, and in every Node that we support
const pythonProgram = process.env.PYTHON ?? 'python3';
const downloadLimitMs = 30 * 60_000;
const buildLimitMs = 15 * 60_000;

/** Wheels for CPython 3.11 on Linux x86-64, with the SHA-256 that PyPI gives; the Python here may be another one. */
const variants = {
  cpu: {
    packageName: '@tensorflow/tfjs-node',
    wheelName: 'tensorflow-cpu',
    wheelFile: `tensorflow_cpu-${tensorflowVersion}-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl`,
    sha256: '089e71746960ea581dca53401f84b3b99c8537313e337a9e5dbf97036a936f7e',
  },
  gpu: {
    packageName: '@tensorflow/tfjs-node-gpu',
    wheelName: 'tensorflow',
    wheelFile: `tensorflow-${tensorflowVersion}-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl`,
    sha256: '70b8dd70fa3600bfce66ab529eebb804e1f9d7c863d2f71bc8fe9fc7a1ec3976',
  },
};

/** Build what is missing, then measure it. */
async function main(scriptArguments) {
  const { gpu, force, nodedir } = readOptions(scriptArguments);
  checkPlatform();
  await ensureInstalled();
  const variant = gpu ? variants.gpu : variants.cpu;
  const folder = packageCommand(variant.packageName, '.');
  if (!existsSync(path.join(folder, 'binding.gyp'))) {
    throw new ToolError(
      `${variant.packageName}: expected this optional package in node_modules, it is not there; run npm ci without --omit=optional`,
    );
  }
  if (!force && isBuilt(folder, variant)) {
    say(`tfjs-native: ${variant.packageName} is built against TensorFlow ${tensorflowVersion}`);
  } else {
    await buildAddon(folder, variant, findHeadersPrefix(nodedir));
  }
  await measureAddon(variant);
}

function readOptions(scriptArguments) {
  try {
    return parseArgs({
      args: scriptArguments,
      options: {
        gpu: { type: 'boolean', default: false },
        force: { type: 'boolean', default: false },
        nodedir: { type: 'string' },
      },
    }).values;
  } catch (error) {
    throw new ToolError(`${error.message}; known are --gpu, --force and --nodedir DIR`);
  }
}

function checkPlatform() {
  if (process.platform === 'linux' && process.arch === 'x64') return;
  throw new ToolError(
    `tfjs-native: expected linux-x64, for which the wheels are known, got ${process.platform}-${process.arch}; ` +
      'use the onnx engine, or tfjs on WASM',
  );
}

async function buildAddon(folder, variant, headersPrefix) {
  const wheel = await ensureWheel(variant);
  rmSync(stampFile(folder), { force: true });
  await timed('tfjs-native: unpack headers and libraries', () => unpackWheel(wheel, folder));
  await timed('tfjs-native: compile the addon', () => compileAddon(folder, headersPrefix));
  if (!existsSync(addonFile(folder))) {
    throw new ToolError(`node-gyp: expected it to leave ${addonFile(folder)}, it did not`);
  }
  writeFileSync(stampFile(folder), stampOf(variant));
}

/** The wheel in .cache/, downloaded where it is missing or damaged. */
async function ensureWheel(variant) {
  const cacheFolder = path.join(repositoryFolder, '.cache/tfjs-native');
  const wheel = path.join(cacheFolder, variant.wheelFile);
  if (existsSync(wheel) && (await sha256Of(wheel)) === variant.sha256) return wheel;
  rmSync(wheel, { force: true });
  mkdirSync(cacheFolder, { recursive: true });
  const requirement = path.join(cacheFolder, `${variant.wheelName}.txt`);
  writeFileSync(
    requirement,
    `${variant.wheelName}==${tensorflowVersion} --hash=sha256:${variant.sha256}\n`,
  );
  const target = ['--python-version', '3.11', '--implementation', 'cp', '--abi', 'cp311'];
  const pip = ['-m', 'pip', 'download', '--no-deps', '--only-binary=:all:', '--require-hashes'];
  await timed(`tfjs-native: download ${variant.wheelName} ${tensorflowVersion} from PyPI`, () =>
    runOrFail(
      pythonProgram,
      [
        ...pip,
        '--platform',
        'manylinux_2_17_x86_64',
        ...target,
        '-d',
        cacheFolder,
        '-r',
        requirement,
      ],
      { limitMs: downloadLimitMs },
    ),
  );
  if (!existsSync(wheel)) {
    throw new ToolError(`pip: expected it to leave ${variant.wheelFile}, it did not`);
  }
  return wheel;
}

async function sha256Of(file) {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  return hash.digest('hex');
}

// Only what the addon needs leaves the wheel: the rest of it is ten times as large. Names come out of a pinned file.
const unpackProgram = `
import os, shutil, sys, zipfile
wheel, deps = sys.argv[1:]
libraries = {'tensorflow/libtensorflow_cc.so.2', 'tensorflow/libtensorflow_framework.so.2'}
with zipfile.ZipFile(wheel) as archive:
    for member in archive.infolist():
        name = member.filename
        if member.is_dir(): continue
        if name.startswith('tensorflow/include/'): target = name[len('tensorflow/'):]
        elif name in libraries: target = 'lib/' + os.path.basename(name)
        else: continue
        path = os.path.join(deps, target)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with archive.open(member) as source, open(path, 'wb') as out: shutil.copyfileobj(source, out, 1 << 20)
`;

/** Put the wheel's headers and libraries where binding.gyp looks for them, under the names it asks for. */
async function unpackWheel(wheel, folder) {
  const deps = path.join(folder, 'deps');
  rmSync(deps, { recursive: true, force: true });
  await runOrFail(pythonProgram, ['-c', unpackProgram, wheel, deps], { captured: true });
  const links = {
    'libtensorflow.so': 'libtensorflow_cc.so.2',
    'libtensorflow_framework.so': 'libtensorflow_framework.so.2',
  };
  for (const [link, target] of Object.entries(links)) {
    const library = path.join(deps, 'lib', target);
    if (!existsSync(library)) {
      throw new ToolError(`${path.basename(wheel)}: expected ${target} inside, it is not there`);
    }
    symlinkSync(target, path.join(deps, 'lib', link));
  }
}

async function compileAddon(folder, headersPrefix) {
  const moduleFolder = path.dirname(addonFile(folder));
  await runOrFail(
    process.execPath,
    [
      packageCommand('node-gyp', 'bin/node-gyp.js'),
      'rebuild',
      `--nodedir=${headersPrefix}`,
      '--module_name=tfjs_binding',
      `--module_path=${moduleFolder}`,
      `--napi_version=${napiVersion}`,
      `--napi_build_version=${napiVersion}`,
    ],
    { folder, captured: true, limitMs: buildLimitMs },
  );
}

/** The prefix under which Node's own headers lie: node-gyp would else fetch them from nodejs.org. */
function findHeadersPrefix(configured) {
  const besideNode = path.dirname(path.dirname(process.execPath));
  const candidates = configured === undefined ? [besideNode, '/usr', '/usr/local'] : [configured];
  const prefix = candidates.find((candidate) =>
    existsSync(path.join(candidate, 'include/node/node_api.h')),
  );
  if (prefix !== undefined) return path.resolve(prefix);
  throw new ToolError(
    `tfjs-native: expected include/node/node_api.h under ${candidates.join(' or ')}, it is in none; ` +
      'install the headers of this Node (they are in the archive from nodejs.org) and name their prefix with --nodedir',
  );
}

function addonFile(folder) {
  return path.join(folder, `lib/napi-v${napiVersion}/tfjs_binding.node`);
}

function stampFile(folder) {
  return path.join(folder, `lib/napi-v${napiVersion}/.built-against`);
}

function stampOf(variant) {
  return `${variant.sha256} napi ${napiVersion}\n`;
}

function isBuilt(folder, variant) {
  const stamp = stampFile(folder);
  return (
    existsSync(addonFile(folder)) &&
    existsSync(path.join(folder, 'deps/lib/libtensorflow.so')) &&
    existsSync(stamp) &&
    readFileSync(stamp, 'utf8') === stampOf(variant)
  );
}

// In a process of its own: a library that does not fit this machine may end it.
const measureProgram = `
const tf = require(process.argv[1]);
const size = 1536, runs = 12;
const a = tf.randomNormal([size, size]), b = tf.randomNormal([size, size]);
const once = () => { const c = tf.matMul(a, b); const corner = c.slice([0, 0], [1, 1]); corner.dataSync(); c.dispose(); corner.dispose(); };
const times = [];
for (let run = 0; run < runs; run++) { const start = performance.now(); once(); times.push(performance.now() - start); }
times.sort((x, y) => x - y);
console.log(JSON.stringify({ gigaflops: (2 * size ** 3) / times[runs / 2] / 1e6, isUsingGpu: tf.backend().isUsingGpuDevice }));
`;

async function measureAddon(variant) {
  const { status, output } = await runProgram(
    process.execPath,
    ['-e', measureProgram, variant.packageName],
    { captured: true, environment: { TF_CPP_MIN_LOG_LEVEL: '2' }, limitMs: 120_000 },
  );
  const line = output.trim().split('\n').at(-1) ?? '';
  if (status !== 0 || !line.startsWith('{')) {
    throw new ToolError(
      `${variant.packageName}: expected the addon to multiply two matrices, it ended with status ${status}\n${output}`,
    );
  }
  const { gigaflops, isUsingGpu } = JSON.parse(line);
  const device = isUsingGpu ? 'the GPU' : 'the CPU';
  say(`tfjs-native: ${gigaflops.toFixed(0)} GFLOP/s for a product of 1536 x 1536 on ${device}`);
}

await runMain(main);
