# session_sticky_status: the resources, the formats and the methods.
#
# Every block has the upstreams "app" (with servers A and D, which is down), "other" and "plain", which is not sticky.
# /status is the location unless a block has another.

use Sticky qw(Status);

our %line = map { $_ => "127.0.0.1:$port{$_}" } keys %port;
our %id = map { $_ => id($_) } keys %port;

client_sections();
add_block_preprocessor(sub {
    my ($block) = @_;
    fill($block, servers('', qw(A)) . <<"_EOC_");
upstream app   { server $line{A}; server $line{D} down; session_sticky; }
upstream other { server $line{A}; session_sticky cookie=other mode=prefix; }
upstream plain { server $line{A}; }
_EOC_
    $block->set_value(config => ($block->locations // 'location /status { session_sticky_status; }') . "\n" . ($block->config // ''));
});

# Summarizes a response as "STATUS TYPE", the type as one word.
sub told {
    my ($response) = @_;
    my $type = head('Content-Type', $response);
    my %word = ('text/html; charset=utf-8' => 'page', 'application/json' => 'json',
                'text/plain; version=0.0.4; charset=utf-8' => 'prometheus');
    return status($response) . ' ' . ($word{$type} // $type);
}

sub names { return join ' ', map { $_->{name} } @{document(@_)->{upstreams}} }

run_tests();

__DATA__

=== the Accept field and the parameter choose the format
--- client
equals(told(reply_to('/status')), '200 page', 'by default');
equals(told(reply_to('/status', 'GET', 'Accept: text/html,application/xhtml+xml,*/*;q=0.8')), '200 page', 'a browser');
equals(told(reply_to('/status', 'GET', 'Accept: */*')), '200 page', 'curl');
equals(told(reply_to('/status', 'GET', 'Accept: application/json')), '200 json', 'a program');
equals(told(reply_to('/status', 'GET', 'Accept: image/png', 'accept: application/json')), '200 json', 'two fields');
equals(told(reply_to('/status', 'GET', 'Accept: application/json, text/plain, */*')), '200 json', 'axios');
equals(told(reply_to('/status', 'GET', 'Accept: application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.1')),
       '200 prometheus', 'Prometheus');
equals(told(reply_to('/status?format=json', 'GET', 'Accept: text/html')), '200 json', 'format=json');
equals(told(reply_to('/status?format=prometheus', 'GET', 'Accept: text/html')), '200 prometheus', 'format=prometheus');
equals(told(reply_to('/status?format=html', 'GET', 'Accept: application/json')), '200 page', 'format=html');
equals(told(reply_to('/status?x=y&format=json&format=html')), '200 json', 'the first of two');
equals(told(reply_to('/status?format=xml')), '400 json', 'format=xml');
equals(told(reply_to('/status?Format=json')), '200 page', 'another parameter');



=== resources below the location, with and without a trailing slash
--- client
equals(names('/status?format=json'), 'app other', 'the location');
for my $slash ('', '/') {
    equals(names("/status/upstreams$slash"), 'app other', "upstreams$slash");
    equals(names("/status/upstreams/app$slash"), 'app', "an upstream$slash");
    equals(names("/status/upstreams/app/servers$slash"), 'app', "its servers$slash");
    my $servers = document("/status/upstreams/app/servers/$id{A}$slash")->{upstreams}[0]{servers};
    equals((join ' ', map { $_->{address} } @$servers), $line{A}, "a server by its ID$slash");
    $servers = document("/status/upstreams/app/servers/$line{D}$slash")->{upstreams}[0]{servers};
    equals((join ' ', map { $_->{id} } @$servers), $id{D}, "a server by its address$slash");
}
equals(names('/status/upstreams/%61pp'), 'app', 'an encoded name');
equals(names('/status//upstreams/app'), 'app', 'a double slash before the name');
equals(names('/status/x/../upstreams/other'), 'other', 'dot segments, which nginx removes to find the location');
equals(told(reply_to("/status/upstreams/app/servers/$id{A}", 'GET', 'Accept: text/html')), '200 json', 'always JSON');
for my $none ('nobody', 'plain', 'APP', 'app/servers/nobody', 'app/servers/127.0.0.1', 'app/what', 'app/servers/a/b',
              '/app', 'app//servers', 'app/explain/x', '%2561pp') {
    my $response = reply_to("/status/upstreams/$none");
    equals(told($response), '404 json', "no $none");
    holds(length parsed($response)->{error}, "no $none: the response has an error message");
}



=== methods: GET and HEAD; any other gets 405 with Allow
--- client
for my $path ('/status', '/status/upstreams', '/status/upstreams/app', "/status/upstreams/app/servers/$id{A}") {
    for my $method (qw(POST PUT DELETE PATCH OPTIONS PROPFIND BREW)) {
        my $response = reply_to($path, $method, 'Content-Length: 0');
        equals(told($response) . ' ' . head('Allow', $response), '405 json GET, HEAD', "$method $path");
    }
}
for my $method (qw(PUT DELETE PATCH)) {
    my $response = reply_to('/status/upstreams/app/explain?value=x', $method, 'Content-Length: 0');
    equals(told($response) . ' ' . head('Allow', $response), '405 json GET, HEAD, POST', "$method explain");
}
for my $path ('/status', '/status?format=json', '/status?format=prometheus', '/status/upstreams/app/explain?value=x',
              '/status/upstreams/nobody') {
    my ($get, $head) = map { reply_to($path, $_) } 'GET', 'HEAD';
    equals(body($head), '', "HEAD $path has no body");
    equals(status($head), status($get), "HEAD $path has the status of GET");
    equals(head($_, $head), head($_, $get), "HEAD $path has the $_ of GET") for qw(Content-Type Content-Length);
}



=== header fields of every response
--- client
for my $path ('/status', '/status?format=json', '/status?format=prometheus', '/status/upstreams/app', '/status/upstreams/nobody',
              '/status/upstreams/app/explain?value=x', '/status?format=xml') {
    my $response = reply_to($path);
    equals(head('Cache-Control', $response), 'no-store', "$path: Cache-Control");
    equals(head('X-Content-Type-Options', $response), 'nosniff', "$path: X-Content-Type-Options");
    equals(head('Set-Cookie', $response), '', "$path: no cookie");
}
my $policy = head('Content-Security-Policy', reply_to('/status'));
my $hash = qr{'sha256-[A-Za-z0-9+/]{43}='};
holds($policy =~ /^default-src 'none'; connect-src 'self'; script-src $hash; style-src $hash; base-uri 'none'; form-action 'none'; frame-ancestors 'none'$/,
      "a policy: $policy");



=== the Content-Security-Policy has the hashes of the page's only script and only style
--- client
use Digest::SHA 'sha256_base64';
my $page = reply_to('/status');
my $policy = head('Content-Security-Policy', $page);
for my $element (qw(script style)) {
    my @found = body($page) =~ m{<$element\b[^>]*>(.*?)</$element>}gs;
    equals(scalar @found, 1, "one $element");
    my $hash = sha256_base64($found[0]);
    holds(index($policy, "$element-src 'sha256-$hash='") >= 0, "the hash of the $element");
}
my $markup = body($page) =~ s{<script>.*</script>}{}sr;
holds($markup !~ m{\b(?:src|href)\s*=\s*["']?+(?!#|data:|\?format=)}i, 'the page loads nothing');



=== an unexpected request body is read, and the connection is kept
--- client
my $socket = connected(Test::Nginx::Util::server_port());
my $body = 'x' x 100_000;
for my $number (1 .. 3) {
    print $socket "GET /status?format=json HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n$body";
    is_json(body(answer_of($socket)), "response $number");
}



=== in a server block, a regular expression location, after a rewrite, and as an SSI include
--- locations
location ~ ^/(?<which>[a-z]+)/status { session_sticky_status; }
location /moved { rewrite ^/moved/(.*)$ /inner/$1 last; }
location /inner { session_sticky_status; }
location /page { ssi on; ssi_types text/plain; return 200 'A<!--# include virtual="/inner?format=json" -->B<!--# include virtual="/inner/upstreams/app/servers/127.0.0.1:1985" -->C'; }
location /plain { return 200 "plain"; }
session_sticky_status;
--- client
equals(names('/a/status?format=json'), 'app other', 'a regular expression');
equals(names('/a/status/upstreams/app'), 'app', 'a resource below it');
equals(names('/anything/upstreams/other'), 'other', 'the server block');
equals(names('/moved/upstreams/app'), 'app', 'after a rewrite: by the request line');
equals(body(reply_to('/plain')), 'plain', 'another location');
my $page = body(reply_to('/page/upstreams/nobody'));
my ($all, $one) = $page =~ /^A(.*)B(.*)C$/s;
equals((join ' ', map { $_->{name} } @{parsed("\r\n\r\n$all")->{upstreams}}), 'app other', 'an SSI include: by its own URI, not by the request line');
equals((join ' ', map { $_->{address} } @{parsed("\r\n\r\n$one")->{upstreams}[0]{servers}}), $line{A}, 'a server in an SSI include');



=== limit_except: allowed methods reach the module, denied ones get 403
--- locations
location /status { session_sticky_status; limit_except POST { allow 127.0.0.1; deny all; } }
location /denied { session_sticky_status; limit_except GET { deny all; } }
--- client
equals(told(reply_to('/status', 'DELETE')), '405 json', 'DELETE is allowed, but not supported');
equals(told(reply_to('/status')), '200 page', 'GET');
equals(status(reply_to('/denied', 'DELETE')), '403', 'DELETE is denied');
equals(told(reply_to('/denied')), '200 page', 'GET is allowed');
--- no_error_log
[alert]
[crit]



=== twice in a location is an error
--- locations
location /status { session_sticky_status; session_sticky_status; }
--- must_die
--- error_log
"session_sticky_status" directive is duplicate



=== no parameters are accepted
--- locations
location /status { session_sticky_status on; }
--- must_die
--- error_log
invalid number of arguments in "session_sticky_status" directive
