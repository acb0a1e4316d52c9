// Each jest test file has its own globals. Native modules (onnxruntime, sharp) and Node's core hand out buffers of the
// outer realm and check with instanceof, so the file's realm is given the outer ArrayBuffer and typed arrays.
const { TestEnvironment } = require('jest-environment-node');

// A test file's process.env is a copy, which native code does not see: the engine's own setting of this one has no effect.
process.env.ORT_DISABLE_TELEMETRY = '1';

const sharedConstructors = [
  'ArrayBuffer',
  'SharedArrayBuffer',
  'DataView',
  'Int8Array',
  'Uint8Array',
  'Uint8ClampedArray',
  'Int16Array',
  'Uint16Array',
  'Int32Array',
  'Uint32Array',
  'Float32Array',
  'Float64Array',
  'BigInt64Array',
  'BigUint64Array',
];

module.exports = class extends TestEnvironment {
  constructor(config, context) {
    super(config, context);
    for (const name of sharedConstructors) this.global[name] = globalThis[name];
  }
};
