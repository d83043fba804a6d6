export * from '../../kernels.js';
