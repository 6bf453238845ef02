module.exports = { aftertab: { input: './openapi.json', output: { target: './src/made/orval/client.ts', client: 'fetch' } } };
