/** A link to a place of the page; where a page is closed to whoever is signed in, its name alone. */
import { Anchor, Button } from '@mantine/core';
import type { ReactNode } from 'react';
import { addressOf, type Place } from '../places.ts';
import { useMayVisit } from '../session/access.ts';

/** A link to a place of the page. */
export function Link(props: { readonly to: Place; readonly children: ReactNode }) {
  if (!useMayVisit(props.to.page)) return <span>{props.children}</span>;
  return (
    <Anchor href={addressOf(props.to)} className="link">
      {props.children}
    </Anchor>
  );
}

/** The same as a button; there is none to a page that is closed. */
export function LinkButton(props: {
  readonly to: Place;
  readonly children: ReactNode;
  readonly isMain?: boolean;
}) {
  if (!useMayVisit(props.to.page)) return null;
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
