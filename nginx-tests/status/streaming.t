# Responses with 20,000 servers, generated and sent in slices: through filters, to clients that are slow or disconnect, in
# subrequests, over each protocol, and while the servers change. Each is one JSON value that contains every server.
#
# The worker serves other requests in the meantime: /quick is requested while such a response is being sent.

use Sticky qw(Certificates Multiplex Nginx Resolver Running Status);

use Compress::Zlib ();
use IPC::Open2;
use Socket qw(SOL_SOCKET SO_LINGER SO_RCVBUF);
use Time::HiRes qw(sleep time);

our $number = 20_000;
our $certificate = certificate();
our $dns = Resolver->new(1990);

client_sections();
add_block_preprocessor(sub {
    my ($block) = @_;
    my $upstream = $block->upstream // servers_of($block->servers // $number);
    my $listen = listens_http2('127.0.0.1:1981') . (has('http_v3_module') ? 'listen 127.0.0.1:1982 quic;' : '')
        . "ssl_certificate $certificate.pem; ssl_certificate_key $certificate.key;";
    my $locations = <<'_EOC_';
location /status { session_sticky_status; }
location /quick { return 200 "quick\n"; }
location /gzip { session_sticky_status; gzip on; gzip_types application/json; }
location /limited { session_sticky_status; limit_rate 2m; }
location /timeout { session_sticky_status; send_timeout 1s; }
location = /page { ssi on; proxy_pass http://127.0.0.1:1989; }
location = /authorized { auth_request /status/upstreams; proxy_pass http://127.0.0.1:1989; }
_EOC_
    fill($block, <<"_EOC_");
upstream many { $upstream session_sticky maxidle=1h; }
server {
    listen 127.0.0.1:1989;
    default_type text/html;
    location /metrics { return 200 '[<!--# include virtual="/status?format=prometheus" -->]'; }
    location / { return 200 '[<!--# include virtual="/status?format=json" -->,<!--# include virtual="/quick" -->,<!--# include virtual="/gzip?format=json" -->]'; }
}
server { $listen listen 127.0.0.1:1983 sndbuf=32k; $locations }
_EOC_
    $block->set_value(config => $locations . ($block->config // ''));
});

# Parses a document in Python, as Perl takes seconds: the number of servers for each port.
sub servers_in {
    my ($text) = @_;
    my $child = open2(my $said, my $in, 'python3', '-c', <<'_EOC_');
import collections, json, sys
try:
    servers = json.loads(sys.stdin.buffer.read())["upstreams"][0]["servers"]
    print(*collections.Counter(server["address"].split(":")[1] for server in servers).values())
except ValueError as error:
    print(error)
_EOC_
    print $in $text // '';
    close $in;
    chomp(my $line = readline($said) // '');
    waitpid $child, 0;
    return $line;
}

# A test: the document is complete, with every server.
sub is_whole {
    my ($text, $what) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return equals(servers_in($text), $number, "$what: all servers");
}

sub answers_others {
    my ($what) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $start = time;
    my $quick = visit('/quick');
    return holds(body($quick) eq "quick\n" && time - $start < 2, "$what: other requests are served");
}

# A connection with a small receive buffer, but not so small that TCP stalls.
sub narrow {
    my ($request) = @_;
    my $socket = connected(1983);
    setsockopt $socket, SOL_SOCKET, SO_RCVBUF, 100_000;
    print $socket $request;
    return $socket;
}

# The memory of the worker, in kB.
sub resident {
    open my $file, '<', $Test::Nginx::Util::PidFile or return 0;
    chomp(my $master = readline $file);
    my ($line) = `ps -o rss= --ppid $master`;
    return ($line // 0) + 0;
}

worker_connections(512);
master_on();
run_tests();

__DATA__

=== HTTP/1.1, HTTP/1.0, keepalive, and pipelined requests
--- client
my $response = reply_to('/status?format=json');
is_whole(body($response), 'HTTP/1.1');
equals(head('Transfer-Encoding', $response), 'chunked', 'chunked');
is_whole(body(whole(say_to_nginx("GET /status?format=json HTTP/1.0\r\n\r\n"))), 'HTTP/1.0');
my $socket = say_to_nginx("GET /status?format=json HTTP/1.1\r\nHost: a\r\n\r\n" x 3 . "GET /quick HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
my @answers = split /(?=HTTP\/1\.1 200 OK)/, whole($socket);
equals(scalar @answers, 4, 'four responses');
is_whole(body(unchunked($answers[$_])), "request $_ of a connection") for 0 .. 2;
equals(body($answers[3]), "quick\n", 'the last response');
my $head = reply_to('/status?format=json', 'HEAD');
equals(status($head) . body($head), '200', 'HEAD has no body');
equals(scalar @{document('/status/upstreams/many/servers/127.1.79.250:1')->{upstreams}[0]{servers}}, 1, 'the last server only');
equals(status(reply_to('/status/upstreams/many/servers/127.1.79.250:2')), '404', 'none of them');
equals(status(reply_to('/status/upstreams/many/servers/127.1.79.250:2', 'HEAD')), '404', 'none of them, by HEAD');



=== gzip, a page that includes two documents and another response, and auth_request
--- client
my $response = reply_to('/gzip?format=json', 'GET', 'Accept-Encoding: gzip');
equals(head('Content-Encoding', $response), 'gzip', 'gzip');
is_whole(Compress::Zlib::memGunzip(body($response)), 'gzip');
for my $page (body(reply_to('/page')), body(whole(say_to_nginx("GET /page HTTP/1.0\r\n\r\n")))) {
    my ($first, $second) = $page =~ /^\[(\{.*\})\n,quick\n,(\{.*\})\n\]$/s;
    is_whole($first, 'the first include');
    is_whole($second, 'the second include');
}
holds(body(reply_to('/authorized')) =~ /^\[<!--.*-->\]$/, 'auth_request: only the protected page');



=== HTTP/2 and HTTP/3, several requests at a time
--- servers: 1500
--- client
local $number = 1500;
for my $protocol ('h2c', has('http_v3_module') ? 'h3' : ()) {
    my $connection = Multiplex->new($protocol, $protocol eq 'h2c' ? 1981 : 1982);
    $connection->ask($_, '/status?format=json') for 1 .. 3;
    $connection->ask(4, '/quick');
    $connection->ask(5, '/status?format=json', undef, method => 'HEAD');
    equals($connection->answer(4)->{body}, "quick\n", "$protocol: another request");
    is_whole($connection->answer($_)->{body}, "$protocol: one of three documents") for 1 .. 3;
    equals($connection->answer(5)->{body} // '', '', "$protocol: HEAD");
    $connection->ask($_, '/status?format=json') for 6 .. 9;
    $connection->reset($_) for 6 .. 8;
    is_whole($connection->answer(9)->{body}, "$protocol: a document after requests that were reset");
    $connection->ask(10, '/status?format=json');
    $connection->leave;
    answers_others("$protocol: a connection that was closed");
}



=== metrics
--- client
my $text = body(reply_to('/status?format=prometheus'));
my @lines = grep { /^session_sticky_server_weight/ } split /\n/, $text;
equals(scalar @lines, $number, 'a line for each server');
holds($text !~ /^cut off/ && $text =~ /\n\z/, 'the metrics are complete');



=== a worker that shuts down completes its response
--- client
my $socket = say_to_nginx("GET /status?format=json HTTP/1.0\r\n\r\n");
sysread $socket, my $text, 1000;
kill QUIT => children();
is_whole(body($text . whole($socket)), 'the response');
--- no_error_log
[alert]
[crit]



=== metrics included in a page, the last buffer of which is empty
--- servers: 3
--- config
location = /with-metrics { ssi on; proxy_pass http://127.0.0.1:1989/metrics; }
--- client
for my $version ('1.0', '1.1') {
    my $page = body(unchunked(whole(say_to_nginx("GET /with-metrics HTTP/$version\r\nHost: a\r\nConnection: close\r\n\r\n"))));
    holds($page =~ /^\[# HELP .* gauge\n\]$/s, "HTTP/$version: all metrics");
}
--- no_error_log
[alert]
[crit]
[error]



=== slow clients, with bounded memory, while other requests are served
--- client
is_whole(body(reply_to('/status?format=json')), 'before');
my $before = resident();
my @slow = map { narrow("GET /status?format=json HTTP/1.0\r\n\r\n") } 1 .. 50;
answers_others('50 slow clients');
sleep 0.5;
my $grown = resident() - $before;
holds($grown < 50 * 200, "50 responses take $grown kB, less than their size");
is_whole(body(whole($slow[$_], 0.001)), "slow client $_") for 0, 49;
close $_ for @slow;
my $start = time;
is_whole(body(reply_to('/limited?format=json')), 'limit_rate');
holds(time - $start >= 1.5, 'limit_rate: the rate is kept');



=== clients that disconnect at any time, and one that reads nothing
--- client
for my $number (1 .. 150) {
    my $path = $number % 5 ? '/status?format=json' : '/page';
    my $socket = narrow("GET $path HTTP/1.1\r\nHost: a\r\n\r\n");
    sysread $socket, my $text, 1 + $number * 997 if $number % 3;
    setsockopt $socket, SOL_SOCKET, SO_LINGER, pack 'ii', 1, 0 if $number % 2;
    close $socket;
}
answers_others('afterwards');
my $idle = narrow("GET /timeout?format=json HTTP/1.1\r\nHost: a\r\n\r\n");
sleep 2.5;
my $text = whole($idle);
holds(length $text < 6_000_000, 'send_timeout ends a response that is not read');
is_whole(body(reply_to('/status?format=json')), 'the next response is complete');
--- no_error_log
[alert]
[crit]
[error]



=== servers that change meanwhile
--- skip_nginx: 5: < 1.27.3
--- http_config
resolver 127.0.0.1:1990 valid=1s ipv6=off;
--- upstream eval
'zone many 64m;' . CORE::join '', map { "server app.test:$_ resolve;" } 1 .. 60;
--- client
my @all = map { '127.0.' . int($_ / 250) . '.' . ($_ % 250 + 1) } 1 .. 200;
my ($answers, $changed, $count, %seen) = (0, 0, 0);
# Whether a change falls within a response is unpredictable, so it retries for longer if needed.
my ($end, $last) = (time + 15, time + 75);
$dns->knows("app.test A @all[0 .. 99]");
while (time < $end || !$changed && time < $last) {
    my ($from, $number) = (int rand 50, 80 + int rand 70);
    $dns->knows("app.test A @all[$from .. $from + $number]") if $answers % 2;
    my $text = whole(narrow("GET /status?format=json HTTP/1.0\r\n\r\n"), 0.01);
    my $numbers = servers_in(body($text));
    holds($numbers =~ /^[0-9 ]*$/, "JSON: $numbers") if $numbers !~ /^[0-9 ]*$/;
    # Such a response contains servers from before and after the change.
    my %different = map { $_ => 1 } split / /, $numbers;
    $changed++ if keys %different > 1;
    $answers++;
    my $metrics = whole(narrow("GET /status?format=prometheus HTTP/1.0\r\n\r\n"), 0.001);
    my %lines;
    $lines{$1}++ || next while $metrics =~ /^(session_sticky_server_weight\S+) /mg;
    holds(0, 'metrics: duplicate series') if grep { $_ > 1 } values %lines;
    holds(0, 'metrics: incomplete') if $metrics !~ /\n\z/;
}
holds($answers > 3, "$answers responses");
holds($changed, "the servers changed during $changed of them");
--- timeout: 100
