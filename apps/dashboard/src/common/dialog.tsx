/** A window over the page: the browser's own, which keeps the focus inside, closes with Escape and gives the focus back. */
import { Group, Stack, Title } from '@mantine/core';
import { useEffect, useId, useRef, type ReactNode } from 'react';

/** A window over the page, open for as long as it is rendered. */
export function Dialog(props: {
  readonly title: string;
  readonly onClose: () => void;
  readonly children: ReactNode;
}) {
  const dialog = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    const element = dialog.current;
    const before = document.activeElement;
    if (element !== null && !element.open) element.showModal();
    return () => {
      element?.close();
      if (before instanceof HTMLElement) before.focus();
    };
  }, []);
  return (
    <dialog
      ref={dialog}
      className="dialog"
      aria-labelledby={id}
      onCancel={(event) => {
        // Escape in a window over this one is heard here too, and means that one alone.
        if (event.target !== event.currentTarget) return;
        event.preventDefault();
        props.onClose();
      }}
    >
      <Stack gap="md">
        <Title order={2} size="h4" id={id}>
          {props.title}
        </Title>
        {props.children}
      </Stack>
    </dialog>
  );
}

/** The buttons at the end of a window. */
export function DialogButtons({ children }: { readonly children: ReactNode }) {
  return (
    <Group justify="flex-end" gap="xs">
      {children}
    </Group>
  );
}
