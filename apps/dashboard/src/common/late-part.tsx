/** Parts of the page that come when they are asked for: one that does not come, or fails, leaves the others where they are. */
import { Alert, Button, Skeleton, Stack, Text } from '@mantine/core';
import { Component, Suspense, type ReactNode } from 'react';

interface LateParts {
  readonly children: ReactNode;
  /** What is shown: where it is another one, that is tried. */
  readonly of: unknown;
}

/** A boundary of React has to be a class. */
class Boundary extends Component<LateParts, { readonly hasFailed: boolean }> {
  override state = { hasFailed: false };

  static getDerivedStateFromError() {
    return { hasFailed: true };
  }

  override componentDidUpdate({ of }: LateParts): void {
    if (this.state.hasFailed && of !== this.props.of) this.setState({ hasFailed: false });
  }

  override render(): ReactNode {
    if (!this.state.hasFailed) return this.props.children;
    return (
      <Alert color="red" role="alert" title="This part of the page cannot be shown">
        <Stack gap="sm" align="flex-start">
          <Text size="sm">
            It did not come, or something in it went wrong; the coordinator may be away, or have
            another release by now.
          </Text>
          <Button size="compact-sm" variant="default" onClick={() => window.location.reload()}>
            Reload the page
          </Button>
        </Stack>
      </Alert>
    );
  }
}

/** Shows what comes late, something in its place until then, and what to do where it does not come. */
export function LatePart({ children, of }: LateParts) {
  return (
    <Boundary of={of}>
      <Suspense fallback={<Skeleton height={240} radius="md" role="status" aria-label="Loading" />}>
        {children}
      </Suspense>
    </Boundary>
  );
}
