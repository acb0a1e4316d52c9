/** What a document of YAML says. */
import type { Document } from 'yaml';

/** Anchors may be used; one that is meant more often than this, with all that is in it, is made to grow. */
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
