/** What stands alone on the page while somebody is not in yet. */
import { Center, Paper, Stack, Title } from '@mantine/core';
import { useEffect, useRef, type ReactNode } from 'react';
import { Mark } from '../common/mark.tsx';

/** What stands alone on the page; its heading takes the focus where it takes the place of another. */
export function EntryCard(props: {
  readonly title: string;
  readonly takesFocus?: boolean;
  readonly children: ReactNode;
}) {
  const { title, takesFocus = false } = props;
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    document.title = `${title} · MeLo Federation`;
    if (takesFocus) heading.current?.focus();
  }, [title, takesFocus]);
  return (
    <Center mih="100vh" p="md" component="main">
      <Paper className="panel" withBorder radius="md" p="xl" w="100%" maw={480}>
        <Stack>
          <Mark />
          <Title order={1} size="h3" ref={heading} tabIndex={-1} className="page-title">
            {title}
          </Title>
          {props.children}
        </Stack>
      </Paper>
    </Center>
  );
}
