/** What a document of YAML says. */
import type { Document } from 'yaml';

/** Anchors may be used; more than this is a text that is made to grow. */
const aliasesMax = 100;

/**
 * What a document says.
 *
 * @param refuse - makes the error of a document whose aliases cannot be followed
 */
export function valueOf(document: Document, refuse: (problem: string) => Error): unknown {
  try {
    return document.toJS({ maxAliasCount: aliasesMax });
  } catch (cause) {
    throw refuse(cause instanceof Error ? cause.message : String(cause));
  }
}
