/** Names with what they are, as a list. */
import type { ReactNode } from 'react';

/** A name and what it is; one that is not known is left out. */
export type Fact = readonly [name: string, value: ReactNode];

/** Names with what they are. */
export function Facts({ facts }: { readonly facts: readonly Fact[] }) {
  return (
    <dl className="facts">
      {facts
        .filter(([, value]) => value !== undefined && value !== null && value !== '')
        .map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
    </dl>
  );
}

/** A digest or a key: the whole of it, in a type whose characters can be told apart. */
export function Digest({ value }: { readonly value: string | null | undefined }) {
  if (value === null || value === undefined) return '–';
  return <code className="digest">{value}</code>;
}
