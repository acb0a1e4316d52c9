/**
 * Names of official MeLo files and of the tensors in them. A file's: fields joined by `_`, of which the fourth is r and the fifth alpha.
 *
 * Two forms are about. The published files have five fields, `{task}_{backbone}_lora_{r}_{alpha}.safetensors`; the examples read
 * a sixth, the number of classes. A task may have `_` in it, so that the word `lora` before the numbers counts where it is there.
 */

/** What a name says. */
export interface OfficialName {
  readonly rank: number;
  readonly alpha: number;
  /** Of names with six fields. */
  readonly classes?: number;
}

const afterLora = /_lora_(\d{1,4})_(\d{1,5})(?:_(\d{1,4}))?$/;
const fourthAndFifth = /^[^_]*_[^_]*_[^_]*_(\d{1,4})_(\d{1,5})(?:_(\d{1,4}))?$/;

/** Read a file's name, without folders; null where it does not say rank and alpha. */
export function readOfficialFileName(fileName: string): OfficialName | null {
  const stem = fileName.replace(/\.safetensors$/, '');
  const [, rank, alpha, classes] = afterLora.exec(stem) ?? fourthAndFifth.exec(stem) ?? [];
  if (rank === undefined || alpha === undefined) return null;
  const numbers = { rank: Number(rank), alpha: Number(alpha) };
  return classes === undefined ? numbers : { ...numbers, classes: Number(classes) };
}

/** Write a name of five fields, as the published files have it. */
export function officialFileName(parts: {
  readonly task: string;
  readonly rank: number;
  readonly alpha: number;
}): string {
  return `${parts.task}_base_lora_${parts.rank}_${parts.alpha}.safetensors`;
}

/**
 * Name a matrix: `w_a_003` is the A of the fourth adapted matrix, the value of the second adapted block.
 *
 * @param index - twice the adapted block's place, plus 1 for value
 */
export function officialMatrixName(side: 'a' | 'b', index: number): string {
  return `w_${side}_${String(index).padStart(3, '0')}`;
}
