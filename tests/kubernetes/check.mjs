// Holds objects of Kubernetes against the types and the schemas that others made of Kubernetes', Istio's, Envoy
// Gateway's and the Gateway API's own definitions. The types know which keys there are, the schemas what the values
// may be. Takes JSON, `[{"place": …, "object": …}]`, and prints a line for each problem.

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

const tools = process.env.KUBERNETES_TOOLS;
const modules = join(tools, "node_modules");
const { default: ts } = await import(`${modules}/typescript/lib/typescript.js`);

// Whose definitions are where, by the end of the group; Kubernetes' own groups are the rest.
const packages = [
    [/\.istio\.io$/, "@kubernetes-models/istio"],
    [/^gateway\.envoyproxy\.io$/, "@kubernetes-models/envoy-gateway"],
    [/^gateway\.networking\.k8s\.io$/, "@kubernetes-models/gateway-api"],
    [/^/, "kubernetes-models"],
];

const entries = JSON.parse(readFileSync(0, "utf8"));
const known = [];
for (const { place, object } of entries) {
    const group = object.apiVersion.split("/").slice(0, -1).join("/");
    const [, name] = packages.find(([pattern]) => pattern.test(group));
    const model = `${name}/${object.apiVersion}/${object.kind}`;
    if (existsSync(`${modules}/${model}.js`)) known.push({ place, object, model });
    else console.log(`${place}: nobody defines ${object.kind} of ${object.apiVersion}`);
}
types();
await schemas();

function types() {
    // One line for each object, so that a problem's line says whose it is.
    const line = ({ object, model }, index) =>
        `import type { I${object.kind} as T${index} } from "${model}"; ` +
        `export const o${index}: T${index} = ${JSON.stringify(object)};`;
    const source = known.map(line).join("\n");
    const file = join(tools, "objects.mts");
    const options = {
        strict: true,
        noEmit: true,
        noErrorTruncation: true,
        skipLibCheck: true,
        types: [],
        module: ts.ModuleKind.NodeNext,
        target: ts.ScriptTarget.ES2022,
    };
    const host = ts.createCompilerHost(options);
    const { getSourceFile, fileExists } = host;
    host.fileExists = (name) => name === file || fileExists.call(host, name);
    host.getSourceFile = (name, ...more) =>
        name === file ? ts.createSourceFile(name, source, options.target) : getSourceFile.call(host, name, ...more);
    const program = ts.createProgram([file], options, host);
    for (const { file: where, start, messageText } of ts.getPreEmitDiagnostics(program)) {
        const place = where ? known[where.getLineAndCharacterOfPosition(start).line].place : "types";
        const [first] = ts.flattenDiagnosticMessageText(messageText, "\n").split("\n");
        // What follows is the whole type.
        console.log(`${place}: ${first.replace(/ in type '.*/, "")}`);
    }
}

async function schemas() {
    for (const { place, object, model } of known) {
        const { [object.kind]: Model } = await import(`${modules}/${model}.js`);
        try {
            new Model(object).validate();
        } catch (error) {
            console.log(`${place}: ${error.message}`);
        }
    }
}
