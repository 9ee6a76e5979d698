# Sessions over HTTP/2 and HTTP/3, where many requests share one connection. Every block is run with each protocol that this
# nginx supports: HTTP/2 in plaintext, HTTP/2 over TLS, HTTP/3.
#
#   cookies    in several fields, as these protocols send them: read, hidden, with mode=prefix, very many of them
#   requests   in parallel, each with its own session; one that waits does not block the others; bodies, HEAD
#   responses  secure=auto; Set-Cookie of the application; from a cache; by error_page, X-Accel-Redirect, SSI
#   gone       a request reset before its response, and in its body; a connection closed: no longer counted at its server
#
# The server 127.0.0.1:1991 is played by the test, and allows one connection.

use Sticky qw(Caches Certificates Multiplex Nginx);

our $certificate = certificate();

our @protocols = ('h2c', 'h2', has('http_v3_module') ? 'h3' : ());
our %listens = (h2c => 1981, h2 => 1982, h3 => 1982);

our $listen = listens_http2('127.0.0.1:1981', '127.0.0.1:1982 ssl')
    . " ssl_certificate $certificate.pem; ssl_certificate_key $certificate.key;"
    . (has('http_v3_module') ? ' listen 127.0.0.1:1982 quic;' : '');

our $http = servers(<<'_EOC_') . <<'_EOC_';
location /sets { add_header Set-Cookie "app=x"; return 200 "NAME sets cookie=[$http_cookie]\n"; }
location /long { add_header Cache-Control max-age=60; return 200 "NAME\n"; }
location /accel { add_header X-Accel-Redirect /inside; return 200; }
location = /page { default_type text/html; return 200 'NAME page [<!--#include virtual="/part" -->]'; }
location /body { proxy_pass http://127.0.0.1:1989; proxy_set_header X-Name NAME; }
_EOC_
    server { listen 127.0.0.1:1989; location / { return 200 "$http_x_name length=$content_length\n"; } }
    upstream u       { server 127.0.0.1:1985; server 127.0.0.1:1986; session_sticky; }
    upstream secure  { server 127.0.0.1:1985; server 127.0.0.1:1986; session_sticky secure=auto; }
    upstream other   { server 127.0.0.1:1987; server 127.0.0.1:1988; session_sticky cookie=other; }
    upstream hiding  { server 127.0.0.1:1985; server 127.0.0.1:1986; session_sticky option=indirect; }
    upstream cutting { server 127.0.0.1:1985; server 127.0.0.1:1986; session_sticky cookie=app mode=prefix; }
    upstream dead    { server 127.0.0.1:1999 max_fails=0; session_sticky; }
    upstream one     { server 127.0.0.1:1991 max_conns=1 max_fails=0; server 127.0.0.1:1986; session_sticky cookie=one hash=plain fallback=off; }
_EOC_

# "config" is for the HTTP/2 and HTTP/3 listeners. "client" is called with a function that connects, and the protocol's
# name.
client_sections();
add_block_preprocessor(sub {
    my $block = shift;
    my ($config, $cache) = own_cache($block->config);
    $block->set_value('config', 'location = /one { proxy_pass http://one; }');
    fill($block, $http . $cache . "server { $listen $config }\n");
    my $client = client_of($block);
    $block->set_value('client', sub {
        for my $protocol (@protocols) {
            local $Client::block_name = "$Client::block_name: $protocol";
            $client->(sub { Multiplex->new($protocol, $listens{$protocol}) }, $protocol);
        }
    });
});

# The server, and whether the cookie set has the server's ID: "A bound", "A -", or the cookies.
sub told {
    my ($answer) = @_;
    return $answer->{failed} if $answer->{failed};
    my ($who) = $answer->{body} =~ /^([A-D])\b/ or return $answer->{status};
    my $cookies = $answer->{cookies} =~ s/(\w+)=([0-9a-f]{32}); Path=\/(?=\||$)/$2 eq id($who) ? 'bound' : "$1 of another"/ger;
    return "$who " . ($cookies || '-');
}

our $here = 'one=127.0.0.1:1991';

# The server allows one connection, so it only serves once nginx has noticed that the previous one is gone.
sub is_free { my ($server, $what) = @_; return is_served($server, "$what: its server is free again", '/one', $here) }

run_tests();

__DATA__

=== a first visit, return visits, and an unknown ID, sequentially on one connection
--- config
location / { proxy_pass http://u; }
--- client
my $client = $_[0]->();
my @told = map { $client->ask($_->[0], '/t', $_->[1]); told($client->answer($_->[0])) }
    [1, ['route=ID_B']], [2, ['route=ID_A']], [3, ['route=ID_B']], [4, []], [5, ['route=nobody']], [6, ['a=b', 'route=ID_A']];
holds(join(', ', @told) =~ /^B -, A -, B -, [AB] bound, [AB] bound, A -$/, "each has its own session: @told");



=== the cookie in several fields: each is read, and hiding it leaves other cookies
--- config
location / { proxy_pass http://hiding; }
--- client
my $client = $_[0]->();
my %asked = (first => ['route=ID_B', 'a=b', 'c=d'], middle => ['a=b', 'route=ID_B', 'c=d'], last => ['a=b', 'c=d', 'route=ID_B'],
             alone => ['route=ID_B'], pairs => ['a=b; route=ID_B', 'c=d'], twice => ['route=nobody', 'a=b', 'route=ID_B', 'c=d']);
$client->ask($_, '/t', $asked{$_}) for sort keys %asked;
for (sort keys %asked) {
    my $answer = $client->answer($_);
    equals("$answer->{body}$answer->{cookies}", 'B /t cookie=[' . ($_ eq 'alone' ? '' : 'a=b; c=d') . "]\n", $_);
}
$client->ask('many', '/t', [(map { "name$_=$_" } 1 .. 100), 'route=ID_B', (map { "name$_=$_" } 101 .. 200)]);
equals($client->answer('many')->{body}, 'B /t cookie=[' . join('; ', map { "name$_=$_" } 1 .. 200) . "]\n", 'two hundred other cookies');



=== mode=prefix, the cookie in several fields
--- config
location / { proxy_pass http://cutting; }
--- client
my $client = $_[0]->();
$client->ask('bound', '/sets', ['a=b', 'app=ID_B~x~y', 'c=d']);
my $answer = $client->answer('bound');
equals($answer->{body}, "B sets cookie=[a=b; app=x~y; c=d]\n", 'the ID is removed from the request');
equals($answer->{cookies}, 'app=ID_B~x', "the ID is added to the server's cookie");



=== many parallel requests on one connection, with different cookies
--- config
location / { proxy_pass http://u; add_header X-Connection $connection; }
location /hidden { proxy_pass http://hiding; add_header X-Connection $connection; }
--- client
my $client = $_[0]->();
my (%wanted, %connections);
for my $number (1 .. 40) {
    my $server = ('A', 'B', 'B')[$number % 3];
    my $path = $number % 2 ? '/t' : '/hidden';
    my @cookies = ("n=$number", "route=ID_$server", "m=$number");
    $wanted{$number} = "$server $path cookie=[" . expand(join('; ', $number % 2 ? @cookies : @cookies[0, 2])) . "]\n";
    $client->ask($number, $path, \@cookies);
}
my $right = 0;
for my $number (reverse 1 .. 40) {
    my $answer = $client->answer($number);
    $right++ if $answer->{body} eq $wanted{$number} && !$answer->{cookies};
    $connections{$_->[1]} = 1 for grep { $_->[0] eq 'x-connection' } @{$answer->{fields}};
}
equals($right, 40, 'each reaches its server, which sees its own cookies');
# Over HTTP/3, $connection differs for each request.
holds($_[1] eq 'h3' || keys %connections == 1, 'all use one connection');



=== parallel first visits on one connection: each gets the ID of the server that answered it
--- config
location / { proxy_pass http://u; }
--- client
my $client = $_[0]->();
$client->ask($_, '/t', $_ % 2 ? [] : ['a=b']) for 1 .. 10;
my %told;
$told{told($client->answer($_))}++ for 1 .. 10;
equals(join(', ', map { "$_: $told{$_}" } sort keys %told), 'A bound: 5, B bound: 5', 'five for each server');



=== a request whose server is slow does not block or mix with others
--- config
location / { proxy_pass http://u; }
location /one { proxy_pass http://one; }
--- client
my $server = serve(1991);
my $client = $_[0]->();
$client->ask('slow', '/one', [$here, 'route=ID_A']);
my $held = taken($server);
my @told = map { $client->ask($_, '/t', [$here, "route=ID_$_"]); told($client->answer($_)) } 'A', 'B';
equals("@told", 'A - B -', 'the other requests');
answer($held, 'done', "Set-Cookie: app=1\r\n");
my $answer = $client->answer('slow');
equals("$answer->{body} $answer->{cookies}", 'done app=1', 'the slow request');



=== secure=auto: Secure if the client uses TLS, as HTTP/3 always does
--- config
location / { proxy_pass http://secure; }
--- client
my $client = $_[0]->();
$client->ask(1, '/t', []);
equals($client->answer(1)->{cookies} =~ s/.*?;//r, $_[1] eq 'h2c' ? ' Path=/' : ' Path=/; Secure', 'the attributes');



=== bodies, with proxy_request_buffering on and off, and HEAD
--- config
location / { proxy_pass http://u; }
location /through/ { proxy_http_version 1.1; proxy_request_buffering off; proxy_pass http://u/; }
# If nginx may change the body it sends no length, which the HTTP/3 client does not accept in a response to HEAD.
location /head { ssi on; ssi_types *; proxy_pass http://u; }
--- client
my $client = $_[0]->();
for my $path ('/body', '/through/body') {
    $client->ask("$path $_", $path, ['a=b', "route=ID_$_"], method => 'POST', body => 'x' x 15000) for 'A', 'B';
    equals(join(' ', map { told($client->answer("$path $_")) } 'A', 'B'), 'A - B -', $path);
}
$client->ask('head', '/head', ['route=nobody'], method => 'HEAD');
my $answer = $client->answer('head');
holds($answer->{status} eq '200' && $answer->{body} eq '' && $answer->{cookies} =~ /^route=[0-9a-f]{32}; Path=\/$/, 'HEAD sets a cookie');



=== Set-Cookie of the application, in several fields in addition to the module's
--- config
location / { proxy_pass http://u; add_header Set-Cookie "mine=1"; }
--- client
my $client = $_[0]->();
$client->ask('new', '/sets', []);
my $answer = $client->answer('new');
my $ours = 'route=' . id($answer->{body} =~ /^(.)/) . '; Path=/';
equals(join('|', sort split /\|/, $answer->{cookies}), "app=x|mine=1|$ours", 'a first visit');
$client->ask('bound', '/sets', ['route=ID_B']);
equals(join('|', sort split /\|/, $client->answer('bound')->{cookies}), 'app=x|mine=1', 'a return visit');



=== from the cache, by error_page, by X-Accel-Redirect, with SSI
--- config
location /long { proxy_cache cached; proxy_pass http://u; }
location /dead { proxy_pass http://dead; error_page 502 = @other; }
location @other { proxy_pass http://other; }
location /accel { proxy_pass http://u; }
location = /inside { internal; proxy_pass http://other; }
location = /page { ssi on; proxy_pass http://u; }
location = /part { proxy_pass http://other; }
--- client
my $client = $_[0]->();
$client->ask('miss', "/long/$_[1]", []);
holds(told($client->answer('miss')) =~ /^[AB] bound$/, 'a miss sets a cookie');
$client->ask('hit', "/long/$_[1]", ['route=nobody']);
holds(told($client->answer('hit')) =~ /^[AB] -$/, 'a hit sets nothing');
my @both = ('other=ID_D', 'route=ID_B');
for (['/dead', 'D -'], ['/accel', 'D -'], ['/page', 'B -']) {
    $client->ask($_->[0], $_->[0], \@both);
    my $answer = $client->answer($_->[0]);
    equals(told($answer), $_->[1], "$_->[0] reaches its servers");
    holds($answer->{body} =~ /\[D \/part/, 'so does the subrequest') if $_->[0] eq '/page';
}
$client->ask('new', '/page', ['other=ID_D']);
holds(told($client->answer('new')) =~ /^[AB] bound$/, 'a first visit gets only the cookie of the main request');
--- may_warn
cookie "route" of upstream "dead" is also that of upstream "u"



=== a request that is reset before its response
--- config
location / { proxy_pass http://one; }
--- client
my $server = serve(1991);
my $client = $_[0]->();
$client->ask('gone', '/one', [$here]);
my $held = taken($server);
holds($held, 'it has reached its server');
$client->reset('gone');
is_free($server, 'after the reset');
$client->ask('after', '/t', ['one=127.0.0.1:1986']);
equals(told($client->answer('after')), 'B -', 'the connection is still usable');



=== a request that is reset in its body
--- config
location / { proxy_http_version 1.1; proxy_request_buffering off; proxy_pass http://one; }
--- client
my $server = serve(1991);
my $client = $_[0]->();
$client->ask('gone', '/one', [$here], method => 'POST', body => 'half', end => JSON::PP::false());
my $held = taken($server);
holds($held, 'it has reached its server');
$client->reset('gone');
is_free($server, 'after the reset');



=== a connection that is closed during requests
--- config
location / { proxy_pass http://one; }
location = /page { ssi on; proxy_pass http://u; }
location = /part { proxy_pass http://one; }
--- client
my $server = serve(1991);
for my $path ('/one', '/page') {
    my $client = $_[0]->();
    $client->ask('gone', $path, [$here, 'route=ID_A']);
    my $held = taken($server);
    holds($held, "$path has reached its server");
    $client->leave;
    is_free($server, $path);
}
