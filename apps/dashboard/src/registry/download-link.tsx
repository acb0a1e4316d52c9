/** Links that save the adapter of a version, in each format that there is. */
import { Button } from '@mantine/core';
import { taskPath } from '../api/client.ts';
import { useMay } from '../session/access.ts';

/** A link that saves the adapter file of a version, for whoever may have it. */
export function DownloadLink(props: {
  readonly task: string;
  readonly version: number;
  /** What the link says, and what it is called, which has to begin with that. */
  readonly label?: string;
  readonly name?: string;
  /** Of the route, e.g. `format=peft`. */
  readonly query?: string;
}) {
  const {
    task,
    version,
    label = 'Download',
    name = `Download version ${version} of ${task}`,
  } = props;
  const mayDownload = useMay('train');
  if (!mayDownload) return null;
  const query = props.query === undefined ? '' : `?${props.query}`;
  return (
    <Button
      component="a"
      size="compact-sm"
      variant="default"
      href={`${taskPath(task, `/versions/${version}/adapter`)}${query}`}
      download
      aria-label={name}
    >
      {label}
    </Button>
  );
}

/** The same version for other tools. */
const otherFormats = [
  {
    label: 'For PEFT',
    what: 'a tar of the two files of Hugging Face PEFT',
    query: 'format=peft',
  },
  {
    label: 'For MeLo code, without head bias',
    what: "the official code's format, which cannot hold the bias of the head",
    query: 'format=official&dropHeadBias=true',
  },
] as const;

/** Links that save a version in each format. */
export function DownloadLinks({
  task,
  version,
}: {
  readonly task: string;
  readonly version: number;
}) {
  return (
    <>
      <DownloadLink task={task} version={version} />
      {otherFormats.map(({ label, what, query }) => (
        <DownloadLink
          key={query}
          task={task}
          version={version}
          label={label}
          name={`${label}: version ${version} of ${task}, ${what}`}
          query={query}
        />
      ))}
    </>
  );
}
