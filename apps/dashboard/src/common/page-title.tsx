/** The heading of a page: it takes the focus when one comes here by a link, so that keyboard and screen reader start at it. */
import { Group, Text, Title } from '@mantine/core';
import { useEffect, useRef, type ReactNode } from 'react';
import { addressOf } from '../places.ts';
import { hasMoved, usePlace } from '../router.ts';

/** The heading of a page. `aside` stands at its right, `note` below it. */
export function PageTitle(props: {
  readonly title: string;
  readonly mark?: ReactNode;
  readonly aside?: ReactNode;
  readonly note?: ReactNode;
}) {
  const heading = useRef<HTMLHeadingElement>(null);
  const address = addressOf(usePlace());
  useEffect(() => {
    document.title = `${props.title} · MeLo Federation`;
  }, [props.title]);
  useEffect(() => {
    if (!hasMoved()) return;
    window.scrollTo(0, 0);
    heading.current?.focus({ preventScroll: true });
  }, [address]);
  return (
    <div>
      <Group justify="space-between" gap="sm">
        <Group gap="sm">
          <Title order={1} size="h2" ref={heading} tabIndex={-1} className="page-title">
            {props.title}
          </Title>
          {props.mark}
        </Group>
        {props.aside !== undefined && <Group gap="xs">{props.aside}</Group>}
      </Group>
      {props.note !== undefined && (
        <Text size="sm" c="dimmed" component="div" mt={2} className="page-note">
          {props.note}
        </Text>
      )}
    </div>
  );
}
