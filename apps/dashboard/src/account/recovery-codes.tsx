/** Recovery codes: shown once, for the day when the authenticator is lost. */
import { Button, Stack, Text } from '@mantine/core';
import { CopyText } from '../common/copy-text.tsx';
import { DialogButtons } from '../common/dialog.tsx';

/** Recovery codes, shown once. */
export function RecoveryCodes(props: {
  readonly codes: readonly string[];
  readonly onDone: () => void;
}) {
  return (
    <Stack gap="md">
      <Text size="sm">
        Keep these where the authenticator is not, printed or in a safe. Each signs you in once in
        place of a code. They are <b>shown only now</b>.
      </Text>
      <CopyText name="Recovery codes" text={props.codes.join('\n')} />
      <DialogButtons>
        <Button onClick={props.onDone}>I have kept them</Button>
      </DialogButtons>
    </Stack>
  );
}
