/** A new address that is told of alerts; its secret is shown once. */
import { Button, Checkbox, Stack, Text, TextInput } from '@mantine/core';
import { useState, type SyntheticEvent } from 'react';
import { request, type AlertKind } from '#api';
import { send } from '../api/client.ts';
import { live } from '../api/live.ts';
import { useRun } from '../common/use-run.ts';
import { CopyText } from '../common/copy-text.tsx';
import { Dialog, DialogButtons } from '../common/dialog.tsx';
import { FormEnd } from '../common/form-end.tsx';
import { alertKinds, isAlertKind, newWebhookSchema, type NewWebhook } from './webhook-schemas.ts';

const addressLengthMax = 512;

function Secret({ made, onClose }: { readonly made: NewWebhook; readonly onClose: () => void }) {
  return (
    <>
      <Text size="sm">
        Keep this secret where {made.webhook.url} runs: with it the receiver checks that what it is
        told comes from this coordinator. It is <b>shown only now</b>.
      </Text>
      <CopyText name="Secret of the webhook" text={made.secret} />
      <DialogButtons>
        <Button onClick={onClose}>I have kept it</Button>
      </DialogButtons>
    </>
  );
}

function KindBoxes(props: {
  readonly kinds: readonly AlertKind[];
  readonly onChange: (kinds: readonly AlertKind[]) => void;
}) {
  const { kinds, onChange } = props;
  return (
    <Checkbox.Group
      label="Told when"
      value={[...kinds]}
      onChange={(chosen) => {
        onChange(chosen.filter(isAlertKind));
      }}
    >
      <Stack gap="xs" mt="xs">
        {Object.entries(alertKinds).map(([kind, text]) => (
          <Checkbox key={kind} value={kind} label={text} />
        ))}
      </Stack>
    </Checkbox.Group>
  );
}

/** Make a webhook. */
export function AddWebhookDialog({ onClose }: { readonly onClose: () => void }) {
  const [url, setUrl] = useState('');
  const [kinds, setKinds] = useState<readonly AlertKind[]>(
    Object.keys(alertKinds).filter(isAlertKind),
  );
  const [made, setMade] = useState<NewWebhook>();
  const { isBusy, failure, run } = useRun();
  const submit = (event: SyntheticEvent): void => {
    event.preventDefault();
    run(async () => {
      const body = { url: url.trim(), kinds };
      setMade(await send(request('POST', '/v1/webhooks', newWebhookSchema, { body })));
      await live.look();
    });
  };
  if (made !== undefined) {
    return (
      <Dialog title="The secret of the webhook" onClose={onClose}>
        <Secret made={made} onClose={onClose} />
      </Dialog>
    );
  }
  return (
    <Dialog title="Add a webhook" onClose={onClose}>
      <form onSubmit={submit}>
        <Stack gap="md">
          <TextInput
            label="Address"
            description="https, or http to the coordinator's own machine. It is told at once of what holds now."
            required
            maxLength={addressLengthMax}
            value={url}
            onChange={(event) => setUrl(event.currentTarget.value)}
          />
          <KindBoxes kinds={kinds} onChange={setKinds} />
          <FormEnd
            failure={failure}
            isBusy={isBusy}
            isReady={url.trim() !== '' && kinds.length > 0}
            verb="Add it"
            onCancel={onClose}
          />
        </Stack>
      </form>
    </Dialog>
  );
}
