/** A link to a place of the page. */
import { Anchor, Button } from '@mantine/core';
import type { ReactNode } from 'react';
import { addressOf, type Place } from '../places.ts';

/** A link to a place of the page. */
export function Link(props: { readonly to: Place; readonly children: ReactNode }) {
  return (
    <Anchor href={addressOf(props.to)} className="link">
      {props.children}
    </Anchor>
  );
}

/** The same as a button. */
export function LinkButton(props: {
  readonly to: Place;
  readonly children: ReactNode;
  readonly isMain?: boolean;
}) {
  return (
    <Button
      component="a"
      size="compact-sm"
      variant={props.isMain === true ? 'filled' : 'default'}
      href={addressOf(props.to)}
    >
      {props.children}
    </Button>
  );
}
