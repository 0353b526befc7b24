import { showCharts } from "./charts.js";

showCharts();
