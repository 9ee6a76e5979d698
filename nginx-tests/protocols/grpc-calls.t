# gRPC: real calls, with metadata, messages and trailers, over HTTP/2 on both sides.
#
#   calls         one message; a "trailers-only" error without a message; streams of several messages
#   sessions      first visits, return visits, many parallel calls on one connection, option=indirect, mode=insert with the
#                 cookie in several fields, a service that is unreachable, fallback=off, grpc_next_upstream
#   upstream      with keepalive: connections of one session are not used for another server's
#
# The services are tests/clients/grpc.py on 127.0.0.1:1991 and 1992; grpc_pass in the other modes is tested in
# hide/protocols.t and protocols/fastcgi-uwsgi-scgi-grpc.t.

use Sticky qw(Multiplex Nginx);

our $http = <<'_EOC_';
    upstream u       { server 127.0.0.1:1991; server 127.0.0.1:1992; session_sticky hash=plain; }
    upstream hiding  { server 127.0.0.1:1991; server 127.0.0.1:1992; session_sticky hash=plain option=indirect; }
    upstream gone    { server 127.0.0.1:1999 max_fails=0; server 127.0.0.1:1992; session_sticky hash=plain; }
    upstream strict  { server 127.0.0.1:1999 max_fails=0; server 127.0.0.1:1992; session_sticky hash=plain fallback=off; }
    upstream kept    { server 127.0.0.1:1991; server 127.0.0.1:1992; session_sticky hash=plain; keepalive 8; }
_EOC_

# "config" is for the gRPC listener. "client" is called with a client connected to it.
client_sections();
add_block_preprocessor(sub {
    my $block = shift;
    my $config = $block->config;
    $block->set_value('config', '');
    fill($block, $http . 'server { ' . listens_http2('127.0.0.1:1981') . " $config }\n");
    my $client = client_of($block);
    $block->set_value('client', sub {
        my @services = map { Multiplex->service($_->[0], $_->[1]) } ['A', 1991], ['B', 1992];
        $client->(Multiplex->new('h2c', 1981));
    });
});

sub message { my ($text) = @_; return "\0" . pack('N/a', $text) }

# Begins a call with its first message.
sub begin {
    my ($client, $id, $method, $cookies, $text, $end) = @_;
    $client->order({ask => $id, method => 'POST', path => "/service/$method", body => message($text),
                    end => $end ? JSON::PP::true() : JSON::PP::false(),
                    fields => [['content-type', 'application/grpc'], ['te', 'trailers'], map { ['cookie', $_] } @$cookies]});
}

# The result of a call: the service, the cookie it saw, its messages, its grpc-status; and the cookies that were set.
sub told {
    my ($client, $id) = @_;
    my $answer = $client->answer($id);
    return $answer->{failed} if $answer->{failed};
    my %fields = map { @$_ } @{$answer->{fields}};
    my @messages = unpack '(xN/a)*', $answer->{body};
    return join ' ', $fields{'x-server'} // $answer->{status}, "[@{[$fields{'x-cookie'} // '']}]", map({ "<$_>" } @messages),
                     $fields{'grpc-status'} // '-', $answer->{cookies} || '-';
}

sub call { my ($client, $id, $method, $cookies, $text) = @_; begin($client, $id, $method, $cookies, $text, 1); return told($client, $id) }

run_tests();

__DATA__

=== calls with one message: first visits and return visits
--- config
location / { grpc_pass u; }
--- client
my ($client) = @_;
equals(call($client, 1, 'Say', [], 'hi'), 'A [none] <A hi> 0 route=127.0.0.1:1991; Path=/', 'a first visit');
equals(call($client, 2, 'Say', [], 'hi'), 'B [none] <B hi> 0 route=127.0.0.1:1992; Path=/', 'another');
equals(call($client, 3, 'Say', ['route=127.0.0.1:1992'], 'again'), 'B [route=127.0.0.1:1992] <B again> 0 -', 'a return visit');
equals(call($client, 4, 'Say', ['a=b', 'route=127.0.0.1:1992', 'c=d'], ''), 'B [a=b; route=127.0.0.1:1992; c=d] <B > 0 -',
             'the cookie in several fields, and an empty message');



=== a trailers-only error: sessions work as well
--- config
location / { grpc_pass u; }
--- client
my ($client) = @_;
equals(call($client, 1, 'Refuse', ['route=127.0.0.1:1992'], 'x'), 'B [route=127.0.0.1:1992] 7 -', 'a return visit');
equals(call($client, 2, 'Refuse', [], 'x'), 'A [none] 7 route=127.0.0.1:1991; Path=/', 'a first visit');



=== option=indirect: the service does not see the cookie
--- config
location / { grpc_pass hiding; }
location /variable { set $to hiding; session_sticky_hide_cookie upstream=hiding; grpc_pass grpc://$to; }
--- client
my ($client) = @_;
equals(call($client, 1, 'Say', ['a=b', 'route=127.0.0.1:1992', 'c=d'], 'hi'), 'B [a=b; c=d] <B hi> 0 -', 'among others');
equals(call($client, 2, 'Say', ['route=127.0.0.1:1992'], 'hi'), 'B [none] <B hi> 0 -', 'alone');
equals(call($client, 3, 'Say', ['route=nobody', 'a=b'], 'hi'), 'A [a=b] <A hi> 0 route=127.0.0.1:1991; Path=/', 'a first visit');



=== several parallel streams on one connection: each reaches the service of its session
--- config
location / { grpc_pass u; }
--- client
my ($client) = @_;
my %with = (one => 1991, two => 1992, three => 1992, four => 1991);
my @all = sort keys %with;
begin($client, $_, 'Talk', ["route=127.0.0.1:$with{$_}"], "$_ 1") for @all;
for my $turn (2 .. 5) {
    $client->say($_, message("$_ $turn"), $turn == 5) for @all;
}
for my $id (@all) {
    my $name = $with{$id} == 1991 ? 'A' : 'B';
    equals(told($client, $id), "$name [route=127.0.0.1:$with{$id}] " . join(' ', map { "<$name $id $_>" } 1 .. 5) . ' 0 -', $id);
}



=== many parallel calls
--- config
location / { grpc_pass kept; }
--- client
my ($client) = @_;
my $right = 0;
for my $round (1 .. 3) {
    begin($client, "$round $_", 'Say', ['route=127.0.0.1:' . (1991 + $_ % 2)], $_, 1) for 1 .. 20;
    $right += told($client, "$round $_") eq ($_ % 2 ? "B [route=127.0.0.1:1992] <B $_> 0 -" : "A [route=127.0.0.1:1991] <A $_> 0 -")
        for 1 .. 20;
}
equals($right, 60, 'each call reaches its service, over kept connections');



=== an unreachable service: the call moves, or is refused
--- config
location / { grpc_pass gone; }
location /service/Strict { grpc_pass strict; }
location /service/Error { grpc_next_upstream off; grpc_pass gone; }
--- client
my ($client) = @_;
my $cookie = 'route=127.0.0.1:1999';
equals(call($client, 1, 'Say', [$cookie], 'hi'), "B [$cookie] <B hi> 0 route=127.0.0.1:1992; Path=/", 'fallback=on');
equals(call($client, 2, 'Strict', [$cookie], 'hi') =~ s/ \[\].*//sr, '502', 'fallback=off');
equals(call($client, 3, 'Error', [$cookie], 'hi') =~ s/ \[\].*//sr, '502', 'grpc_next_upstream off');
equals(call($client, 4, 'Strict', ['route=127.0.0.1:1992'], 'hi'), 'B [route=127.0.0.1:1992] <B hi> 0 -', 'an available service');



=== a call that the client resets: the next one reaches its service
--- config
location / { grpc_pass u; }
--- client
my ($client) = @_;
begin($client, 'gone', 'Talk', ['route=127.0.0.1:1992'], 'hi');
$client->reset('gone');
equals(call($client, 'after', 'Say', ['route=127.0.0.1:1992'], 'hi'), 'B [route=127.0.0.1:1992] <B hi> 0 -', 'the next');
