# A client for HTTP/2 and HTTP/3: tests/clients/multiplex.py, run by the Python that build/http-clients.sh installs.
#
#   my $client = Multiplex->new('h2c' | 'h2' | 'h3', PORT);
#   $client->ask(ID, PATH, COOKIES, MORE)  sends a request on a new stream, with a field for each of [COOKIES]; MORE has the
#                                          program's other parameters: method, body, end
#   $client->say(ID, TEXT, END)            sends more of its body
#   $client->reset(ID)                     resets its stream
#   $client->answer(ID)                    waits for its response: {status, fields, body, cookies} or {failed}
#   $client->leave                         closes the connection
#
#   my $service = Multiplex->service(NAME, PORT);   starts tests/clients/grpc.py, which ends with the object

package Multiplex;

use strict;
use warnings;

use IPC::Open2;
use JSON::PP;
use Servers;
use Sticky ();
use Test::More ();

sub run {
    my ($class, $program, @arguments) = @_;
    my $python = Sticky::in_project('target/http-clients/bin/python3');
    -x $python or Test::More::BAIL_OUT("there is no $python: make test-deps");
    my $pid = open2(my $from, my $to, $python, Sticky::in_project("tests/clients/$program"), @arguments);
    $to->autoflush(1);
    return bless {pid => $pid, from => $from, to => $to}, $class;
}

sub new {
    my ($class, $protocol, $port) = @_;
    return $class->run('multiplex.py', $protocol, $port);
}

sub service {
    my ($class, $name, $port) = @_;
    my $self = $class->run('grpc.py', $name, $port);
    readline $self->{from} // Test::More::BAIL_OUT("no gRPC service on port $port");
    return $self;
}

sub order {
    my ($self, $order) = @_;
    print {$self->{to}} encode_json($order), "\n";
    return;
}

sub ask {
    my ($self, $id, $path, $cookies, %more) = @_;
    my @fields = map { ['cookie', expand($_)] } @{$cookies // []};
    return $self->order({ask => $id, path => $path, fields => \@fields, %more});
}

sub say {
    my ($self, $id, $text, $end) = @_;
    return $self->order({say => $id, body => $text, end => $end ? JSON::PP::true() : JSON::PP::false()});
}

sub reset { my ($self, $id) = @_; return $self->order({reset => $id}) }

sub answer {
    my ($self, $id) = @_;
    $self->order({answer => $id});
    my $line = readline $self->{from};
    my $answer = defined $line ? decode_json($line) : {failed => 'the client ended'};
    $answer->{cookies} = join '|', map { $_->[1] } grep { $_->[0] eq 'set-cookie' } @{$answer->{fields} // []};
    return $answer;
}

sub leave {
    my ($self) = @_;
    my $pid = delete $self->{pid} // return;
    close $self->{to};
    waitpid $pid, 0;
    # nginx keeps an HTTP/3 connection for a while after it is closed. If nginx exits before that, valgrind reports memory
    # that is reachable only by interior pointers.
    sleep 4 if $ENV{TEST_NGINX_USE_VALGRIND};
    return;
}

sub DESTROY { my ($self) = @_; local $?; return $self->leave }

1;
