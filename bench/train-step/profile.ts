/** Where a step's time goes, from the events that onnxruntime's profiler writes. */
import { z } from 'zod';

const eventSchema = z.object({
  cat: z.string(),
  name: z.string(),
  /** Microseconds. */
  dur: z.number(),
  args: z.object({ op_name: z.string().optional() }).loose(),
});

const kindsOfOperators: Readonly<Record<string, readonly string[]>> = {
  products: ['Gemm', 'FusedMatMul', 'MatMul', 'FusedGemm'],
  norms: ['LayerNormalization', 'ReduceMean', 'ReduceSum'],
  softmax: ['Softmax', 'LogSoftmax'],
  moves: ['Transpose', 'Reshape', 'Slice', 'Concat', 'Split', 'Pad', 'Expand', 'Identity', 'Shape'],
};

/** Time of one operator or kind. */
export interface ProfileRow {
  readonly name: string;
  readonly msPerImage: number;
  /** Of the time of all operators. */
  readonly share: number;
  readonly callsPerStep: number;
}

/** Operators of a profile, and the kinds that they belong to, the slowest first. */
export interface Profile {
  readonly operatorMsPerImage: number;
  readonly kinds: readonly ProfileRow[];
  readonly operators: readonly ProfileRow[];
}

/** `products`, `norms`, `softmax`, `moves`, and `elementwise` for all else. */
export function kindOf(operator: string): string {
  const found = Object.entries(kindsOfOperators).find(([, names]) => names.includes(operator));
  return found?.[0] ?? 'elementwise';
}

/**
 * Sum up a profile.
 *
 * @param events - the parsed file
 * @param steps - that it covers
 * @param batch - images of a step
 */
export function summarise(events: unknown, steps: number, batch: number): Profile {
  const [operators, kinds] = [new Map<string, number[]>(), new Map<string, number[]>()];
  for (const event of z.array(z.unknown()).parse(events)) {
    const { success, data } = eventSchema.safeParse(event);
    const operator = data?.args.op_name;
    const isKernel = success && data.cat === 'Node' && data.name.endsWith('_kernel_time');
    if (!isKernel || operator === undefined) continue;
    for (const [sums, key] of [
      [operators, operator],
      [kinds, kindOf(operator)],
    ] as const) {
      sums.set(key, [...(sums.get(key) ?? []), data.dur]);
    }
  }
  const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
  const all = sum([...kinds.values()].map(sum));
  const rows = (sums: ReadonlyMap<string, readonly number[]>): ProfileRow[] =>
    [...sums]
      .map(([name, values]) => ({
        name,
        msPerImage: sum(values) / 1000 / steps / batch,
        share: sum(values) / all,
        callsPerStep: values.length / steps,
      }))
      .sort((a, b) => b.msPerImage - a.msPerImage);
  return {
    operatorMsPerImage: all / 1000 / steps / batch,
    kinds: rows(kinds),
    operators: rows(operators),
  };
}
