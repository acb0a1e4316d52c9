/** A signed record, as it was signed: readable, and not only claimed. */
import { Text } from '@mantine/core';
import type { Envelope } from '../api/detail-schemas.ts';

/** What was signed, as JSON with line breaks; the bytes themselves where they are no JSON. */
export function readPayload({ payload }: Envelope): string {
  const bytes = Uint8Array.from(atob(payload), (character) => character.charCodeAt(0));
  const text = new TextDecoder().decode(bytes);
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text; // shown as it came
  }
}

/** A signed record to unfold. */
export function SignedRecord(props: { readonly name: string; readonly envelope: Envelope }) {
  return (
    <details>
      <summary>{props.name}</summary>
      <pre className="source" tabIndex={0}>
        {readPayload(props.envelope)}
      </pre>
      <Text size="xs" c="dimmed">
        Signature of the coordinator: <code className="digest">{props.envelope.signature}</code>
      </Text>
    </details>
  );
}
