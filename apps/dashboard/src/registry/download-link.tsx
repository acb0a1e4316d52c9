/** A link that saves the adapter file of a version. */
import { Button } from '@mantine/core';
import { taskPath } from '../api/client.ts';

/** A link that saves the adapter file of a version. */
export function DownloadLink({
  task,
  version,
}: {
  readonly task: string;
  readonly version: number;
}) {
  return (
    <Button
      component="a"
      size="compact-sm"
      variant="default"
      href={taskPath(task, `/versions/${version}/adapter`)}
      download={`${task}-version-${version}.safetensors`}
      aria-label={`Download version ${version} of ${task}`}
    >
      Download
    </Button>
  );
}
