/** A workflow's page in the Web UI: the tab with what it is doing, which needs the run id; without one, its current run. */
export function workflowLink(ui: string, namespace: string, workflowId: string, runId?: string): string {
  const workflow = `${ui}/namespaces/${encodeURIComponent(namespace)}/workflows/${encodeURIComponent(workflowId)}`;
  return runId ? `${workflow}/${runId}/user-metadata` : workflow;
}

/** All workflows of a cluster in the Web UI. */
export function clusterLink(ui: string, namespace: string, cluster: string): string {
  const query = encodeURIComponent(`FarweaveCluster="${cluster}"`);
  return `${ui}/namespaces/${encodeURIComponent(namespace)}/workflows?query=${query}`;
}
